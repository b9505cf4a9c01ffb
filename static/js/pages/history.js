// The history page: the list that this browser keeps, as the form above it lets through.

import { el } from "../shared/dom.js";
import { number, t, tn } from "../shared/i18n.js";
import { KINDS } from "../shared/kinds.js";
import { all, get, onChange } from "../shared/store.js";
import { asker } from "./history/asking.js";
import { fillCard, forgetPicture, isFinal, layOut } from "./history/cards.js";
import { close, open, opened, refresh } from "./history/opened.js";
import { outcome, removeAll, sure } from "./history/removal.js";
import { dayOf, isOpen, recall, remember, sieveOf } from "./history/sieve.js";

const PAGE = 120; // cards at first, and more at each press
const MANY = 20; // changes at once that are worth reading the whole list for
const BREATH = 150; // ms between two looks at what changed

const by = (id) => document.getElementById(id);
const page = by("history");
const sieve = by("sieve");
const said = by("said");
const { photo: photoPage, most } = page.dataset;

let entries = []; // newest first
let passed = []; // those that the form lets through
let room = PAGE;
let drawing = 0;
const selected = new Set();
const news = new Set(); // tasks that changed, "" for all

const leaving = new AbortController();
const inView = new Set();
const seer = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    const { task } = target.dataset;
    if (isIntersecting) {
      inView.add(task);
      asking.want(task);
    } else inView.delete(task);
  }
});
const asking = asker({
  current: (task) => entries.find((entry) => entry.task === task),
  seen: (task) => inView.has(task),
  reach,
  signal: leaving.signal,
});

const cardOf = (task) => document.querySelector(`.photo[data-task="${CSS.escape(task)}"]`);

const newestFirst = (a, b) => b.time - a.time || (a.task < b.task ? 1 : -1);

function reach(there) {
  const out = document.getElementById("unreached");
  if (there) out?.remove();
  else if (!out) {
    const words = t("The server does not answer. The list shows what this browser kept of it.");
    said.after(el("p", { className: "problem", id: "unreached", role: "status" }, words));
  }
}

function say(...sentences) {
  const line = ([words, bad]) => el("p", { className: bad ? "problem" : "done" }, words);
  said.replaceChildren(...sentences.map(line));
}

/** What the two buttons work on: what is selected, else what is shown. */
function chosen() {
  const picked = passed.filter(({ task }) => selected.has(task));
  return picked.length ? picked : passed;
}

function countWords() {
  const picked = passed.filter(({ task }) => selected.has(task)).length;
  const of = number(entries.length);
  if (picked) return t("{n} of {of} photos selected", { n: number(picked), of });
  if (!isOpen(sieve)) return t("{n} of {of} photos shown", { n: number(passed.length), of });
  return tn(entries.length, "{n} photo", "{n} photos");
}

function drawDeeds() {
  const n = chosen().length;
  const picked = passed.filter(({ task }) => selected.has(task)).length;
  by("count").textContent = countWords();
  const pack = by("export").querySelector("button");
  pack.textContent = t("Export {n} as ZIP", { n: number(n) });
  by("delete").textContent = t("Delete {n}", { n: number(n) });
  pack.disabled = by("delete").disabled = n === 0;
  const box = by("all");
  box.disabled = passed.length === 0;
  box.checked = passed.length > 0 && picked === passed.length;
  box.indeterminate = picked > 0 && picked < passed.length;
  by("unsift").disabled = isOpen(sieve);
}

// Where the focus was inside the list, so that drawing it anew does not lose it.
function focusPlace() {
  const node = document.activeElement?.closest(".photo");
  if (!node) return () => {};
  const { task } = node.dataset;
  const which = [".name", ".drop", "input"].find((words) => document.activeElement.matches(words));
  const next = node.nextElementSibling ?? node.previousElementSibling;
  const other = next?.dataset.task;
  return () => {
    const again = cardOf(task) ?? (other && cardOf(other)) ?? document.querySelector(".photo");
    (again?.querySelector(which ?? ".name") ?? by("main")).focus({ preventScroll: Boolean(again) });
  };
}

function draw() {
  drawing = 0;
  const restore = focusPlace();
  const lets = sieveOf(sieve);
  passed = entries.filter(lets);
  seer.disconnect();
  inView.clear();
  by("days").replaceChildren();
  lay(0);
  by("nothing").hidden = entries.length > 0;
  by("filled").hidden = entries.length === 0;
  by("unmatched").hidden = passed.length > 0;
  drawDeeds();
  restore();
}

/** Lay out the cards from number `first` on, as far as there is room. Returns them. */
function lay(first) {
  const counts = new Map();
  for (const { time } of passed) counts.set(dayOf(time), (counts.get(dayOf(time)) ?? 0) + 1);
  const cards = layOut(by("days"), passed.slice(first, room), counts, selected);
  for (const card of cards) seer.observe(card);
  const left = passed.length - room;
  by("more").hidden = left <= 0;
  by("more").textContent = tn(left, "Show more ({n} is left)", "Show more ({n} are left)");
  return cards;
}

function drawSoon() {
  drawing ||= requestAnimationFrame(draw);
}

function options(task) {
  const at = passed.findIndex((entry) => entry.task === task);
  return { photoPage, newer: passed[at - 1], older: at < 0 ? undefined : passed[at + 1] };
}

function show(task) {
  const entry = entries.find((each) => each.task === task);
  if (entry) open(entry, options(task));
}

async function removeSome(some) {
  const answer = await sure(some);
  if (!answer) return;
  const fromServer = answer === "delete";
  const onProgress = (done) =>
    some.length > 4 && say([t("Deleting: {done} of {n}", { done, n: some.length }), false]);
  const counts = await removeAll(some, { fromServer, onProgress });
  say(...outcome(counts, fromServer));
}

function askFor(entry) {
  if (!entry.gone && !isFinal(entry)) asking.want(entry.task);
}

async function catchUp() {
  while (news.size) {
    const tasks = [...news];
    news.clear();
    // Whatever changed, what the list holds now is right.
    if (tasks.length > MANY || tasks.includes("")) await load();
    else for (const task of tasks) place(task, await get(task));
    drawDeeds();
    await new Promise((resolve) => setTimeout(resolve, BREATH));
  }
}

function place(task, entry) {
  const known = entries.some((each) => each.task === task);
  if (!entry || !(entry.kind in KINDS)) forget(task);
  else if (known) replace(entry);
  else {
    entries.push(entry);
    entries.sort(newestFirst);
    askFor(entry);
    drawSoon();
  }
}

function forget(task) {
  entries = entries.filter((entry) => entry.task !== task);
  leave(task);
  drawSoon();
}

function leave(task) {
  selected.delete(task);
  forgetPicture(task);
  if (opened() === task) close();
}

function replace(entry) {
  const at = entries.findIndex(({ task }) => task === entry.task);
  if (at < 0) return;
  entries[at] = entry;
  const among = passed.findIndex(({ task }) => task === entry.task);
  if (among >= 0) passed[among] = entry;
  const card = cardOf(entry.task);
  if (card) fillCard(card, entry, selected.has(entry.task));
  if (!isOpen(sieve)) drawSoon();
  refresh(entry, options(entry.task));
}

async function load() {
  const before = entries;
  entries = (await all()).filter(({ kind }) => kind in KINDS);
  const there = new Set(entries.map(({ task }) => task));
  for (const { task } of before) if (!there.has(task)) leave(task);
  for (const entry of [...entries].reverse()) askFor(entry); // oldest first, as their turns come
  draw();
}

function sift() {
  room = PAGE;
  selected.clear();
  remember(sieve);
  draw();
}

by("days").addEventListener("click", (event) => {
  const task = event.target.closest(".photo")?.dataset.task;
  if (event.target.closest(".name")) show(task);
  if (event.target.closest(".drop")) removeSome(entries.filter((entry) => entry.task === task));
});

by("days").addEventListener("change", ({ target }) => {
  const card = target.closest(".photo");
  const { task } = card.dataset;
  if (target.checked) selected.add(task);
  else selected.delete(task);
  card.classList.toggle("picked", target.checked);
  drawDeeds();
});

by("all").addEventListener("change", (event) => {
  selected.clear();
  if (event.target.checked) for (const { task } of passed) selected.add(task);
  draw();
});

by("more").addEventListener("click", () => {
  room += PAGE;
  lay(room - PAGE)[0]?.querySelector(".name").focus();
});

by("delete").addEventListener("click", () => removeSome(chosen()));
by("opened-delete").addEventListener("click", () =>
  removeSome(entries.filter(({ task }) => task === opened())),
);
by("newer").addEventListener("click", () => show(options(opened()).newer?.task));
by("older").addEventListener("click", () => show(options(opened()).older?.task));

by("export").addEventListener("submit", (event) => {
  const some = chosen().slice(0, Number(most));
  const photos = some.map(({ kind, task, key, name }) => ({ kind, task, key, name: name.slice(0, 100) }));
  event.target.elements.photos.value = JSON.stringify(photos);
  say([tn(photos.length, "The ZIP of {n} photo is on its way.", "The ZIP of {n} photos is on its way."), false]);
});

by("narrow").addEventListener("click", ({ currentTarget: button }) => {
  button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") === "false"));
});
sieve.addEventListener("input", sift);
sieve.addEventListener("submit", (event) => event.preventDefault());
sieve.addEventListener("reset", () => setTimeout(sift)); // the fields are emptied after this event
by("unsift-too").addEventListener("click", () => {
  sieve.reset();
  sieve.elements.q.focus();
});
window.addEventListener("pagehide", () => leaving.abort());
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

recall(sieve);
by("narrow").setAttribute("aria-expanded", String(!isOpen(sieve)));
let catching = load();
onChange(({ task = "" }) => {
  news.add(task);
  if (news.size === 1) catching = catching.then(catchUp);
});
await catching;
page.hidden = false;
