// The history page: the list that this browser stores, as the form above it lets through.

/** @import { Entry } from "../shared/store.js" */

import { closest, find } from "../shared/dom.js";
import { t, tn } from "../shared/i18n.js";
import { KINDS } from "../shared/kinds.js";
import { all, get, onChange } from "../shared/store.js";
import { fillCard, isFinal, layOut, releaseThumb } from "./history/cards.js";
import { close, open, openTask, refresh } from "./history/detail.js";
import { dayOf, filterOf, isOpen, recall, remember } from "./history/filter.js";
import { confirmDelete, removeAll, reportOf } from "./history/removal.js";
import { Asker } from "./history/results.js";
import { say, showReach, showSums } from "./history/toolbar.js";

const PAGE = 120; // cards at first, and more at each press
const MANY = 20; // changes at once that are worth reading the whole list for
const REST = 150; // ms between two looks at what changed

const page = find("#history");
const form = find("#sieve", document, HTMLFormElement);
const days = find("#days");
const { photo: photoPage = "", most = "" } = page.dataset;

/** @type {Entry[]} */
let entries = []; // newest first
/** @type {Entry[]} */
let passing = []; // those that the form lets through
let room = PAGE;
let drawing = 0;
/** @type {Set<string>} */
const selected = new Set(); // tasks
/** @type {Set<string>} */
const news = new Set(); // tasks that changed, "" for all

const leaving = new AbortController();
const visible = new Set();
const observer = new IntersectionObserver((changes) => {
  for (const { target, isIntersecting } of changes) {
    const task = taskOf(target);
    if (isIntersecting) {
      visible.add(task);
      asker.request(task);
    } else visible.delete(task);
  }
});
const asker = new Asker({
  current: (task) => entries.find((entry) => entry.task === task),
  isVisible: (task) => visible.has(task),
  onReach: showReach,
  signal: leaving.signal,
});

/** @param {EventTarget | null} target inside a card */
const taskOf = (target) => closest(target, ".photo")?.dataset.task ?? "";

/** @param {string} task */
const cardOf = (task) =>
  /** @type {HTMLElement | null} */ (
    document.querySelector(`.photo[data-task="${CSS.escape(task)}"]`)
  );

/**
 * @param {Entry} a
 * @param {Entry} b
 */
const newestFirst = (a, b) => b.time - a.time || (a.task < b.task ? 1 : -1);

const selection = () => passing.filter(({ task }) => selected.has(task));

/** What the two buttons work on: the selected photos, else all that pass the form. */
function targets() {
  const photos = selection();
  return photos.length ? photos : passing;
}

function showCounts() {
  const sums = { all: entries.length, passing: passing.length, selected: selection().length };
  showSums({ ...sums, isOpen: isOpen(form) });
}

/** Note where the focus is in the list, and return a function that puts it back after a drawing. */
function noteFocus() {
  const { activeElement } = document;
  const card = closest(activeElement, ".photo");
  if (!activeElement || !card) return () => {};
  const task = card.dataset.task ?? "";
  const which = [".name", ".drop", "input"].find((selector) => activeElement.matches(selector));
  const next = card.nextElementSibling ?? card.previousElementSibling;
  const other = next instanceof HTMLElement ? (next.dataset.task ?? "") : "";
  return () => {
    const neighbour = other ? cardOf(other) : null; // none if the card was alone on its day
    const again = cardOf(task) ?? neighbour ?? document.querySelector(".photo");
    const target = again ? find(which ?? ".name", again) : find("#main");
    target.focus({ preventScroll: Boolean(again) });
  };
}

function draw() {
  drawing = 0;
  const restoreFocus = noteFocus();
  passing = entries.filter(filterOf(form));
  observer.disconnect();
  visible.clear();
  days.replaceChildren();
  addCards(0);
  find("#nothing").hidden = entries.length > 0;
  find("#filled").hidden = entries.length === 0;
  find("#unmatched").hidden = passing.length > 0;
  showCounts();
  restoreFocus();
}

/**
 * Lay out the cards from number `first` on, as far as there is room. Returns them.
 *
 * @param {number} first
 */
function addCards(first) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { time } of passing) counts.set(dayOf(time), (counts.get(dayOf(time)) ?? 0) + 1);
  const cards = layOut(days, passing.slice(first, room), counts, selected);
  for (const card of cards) observer.observe(card);
  const left = passing.length - room;
  const more = find("#more");
  more.hidden = left <= 0;
  more.textContent = tn(left, "Show more ({n} left)", "Show more ({n} left)");
  return cards;
}

function drawSoon() {
  drawing ||= requestAnimationFrame(draw);
}

/** @param {string} task */
function surroundingsOf(task) {
  const at = passing.findIndex((entry) => entry.task === task);
  return { photoPage, newer: passing[at - 1], older: at < 0 ? undefined : passing[at + 1] };
}

/** @param {string} [task] */
function openPhoto(task) {
  const entry = entries.find((each) => each.task === task);
  if (entry) open(entry, surroundingsOf(entry.task));
}

/** @param {Entry[]} photos */
async function removePhotos(photos) {
  const answer = await confirmDelete(photos);
  if (!answer) return;
  const fromServer = answer === "delete";
  const n = photos.length;
  const onProgress = (/** @type {number} */ done) => {
    if (n > 4) say([t("Deleting: {done} of {n}", { done, n }), false]);
  };
  const counts = await removeAll(photos, { fromServer, onProgress });
  say(...reportOf(counts, fromServer));
}

/** @param {Entry} entry */
function askFor(entry) {
  if (!entry.gone && !isFinal(entry)) asker.request(entry.task);
}

async function catchUp() {
  while (news.size) {
    const tasks = [...news];
    news.clear();
    // Whatever changed, what the store holds now is right.
    if (tasks.length > MANY || tasks.includes("")) await load();
    else for (const task of tasks) put(task, await get(task));
    showCounts();
    await new Promise((resolve) => setTimeout(resolve, REST));
  }
}

/**
 * @param {string} task
 * @param {Entry | null} entry
 */
function put(task, entry) {
  if (!entry || !(entry.kind in KINDS)) {
    entries = entries.filter((each) => each.task !== task);
    forget(task);
    drawSoon();
  } else if (entries.some((each) => each.task === task)) replace(entry);
  else {
    entries.push(entry);
    entries.sort(newestFirst);
    askFor(entry);
    drawSoon();
  }
}

/** @param {string} task */
function forget(task) {
  selected.delete(task);
  releaseThumb(task);
  if (openTask() === task) close();
}

/** @param {Entry} entry */
function replace(entry) {
  for (const list of [entries, passing]) {
    const at = list.findIndex(({ task }) => task === entry.task);
    if (at >= 0) list[at] = entry;
  }
  const card = cardOf(entry.task);
  if (card) fillCard(card, entry, selected.has(entry.task));
  if (!isOpen(form)) drawSoon();
  refresh(entry, surroundingsOf(entry.task));
}

async function load() {
  const before = entries;
  entries = (await all()).filter(({ kind }) => kind in KINDS);
  const there = new Set(entries.map(({ task }) => task));
  for (const { task } of before) if (!there.has(task)) forget(task);
  for (const entry of [...entries].reverse()) askFor(entry); // oldest first, in the queue's order
  draw();
}

function applyFilter() {
  room = PAGE;
  selected.clear();
  remember(form);
  draw();
}

days.addEventListener("click", ({ target }) => {
  const task = taskOf(target);
  if (closest(target, ".name")) openPhoto(task);
  if (closest(target, ".drop")) removePhotos(entries.filter((entry) => entry.task === task));
});

days.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLInputElement)) return;
  const task = taskOf(target);
  if (target.checked) selected.add(task);
  else selected.delete(task);
  closest(target, ".photo")?.classList.toggle("picked", target.checked);
  showCounts();
});

const selectAll = find("#all", document, HTMLInputElement);
selectAll.addEventListener("change", () => {
  selected.clear();
  if (selectAll.checked) for (const { task } of passing) selected.add(task);
  draw();
});

find("#more").addEventListener("click", () => {
  room += PAGE;
  const [card] = addCards(room - PAGE);
  if (card) find(".name", card).focus();
});

find("#delete").addEventListener("click", () => removePhotos(targets()));
find("#opened-delete").addEventListener("click", () =>
  removePhotos(entries.filter(({ task }) => task === openTask())),
);
find("#newer").addEventListener("click", () => openPhoto(surroundingsOf(openTask()).newer?.task));
find("#older").addEventListener("click", () => openPhoto(surroundingsOf(openTask()).older?.task));

find("#export").addEventListener("submit", () => {
  const photos = targets()
    .slice(0, Number(most))
    .map(({ kind, task, key, name }) => ({ kind, task, key, name: name.slice(0, 100) }));
  find("#export [name=photos]", document, HTMLInputElement).value = JSON.stringify(photos);
  const words = tn(
    photos.length,
    "Downloading a ZIP of {n} photo.",
    "Downloading a ZIP of {n} photos.",
  );
  say([words, false]);
});

const narrow = find("#narrow");
narrow.addEventListener("click", () => {
  narrow.setAttribute("aria-expanded", String(narrow.getAttribute("aria-expanded") === "false"));
});
form.addEventListener("input", applyFilter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(applyFilter)); // the fields are emptied after this
find("#unsift-too").addEventListener("click", () => {
  form.reset();
  find("[name=q]", form).focus();
});
window.addEventListener("pagehide", () => leaving.abort());
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

recall(form);
narrow.setAttribute("aria-expanded", String(!isOpen(form)));
let catching = load();
onChange(({ task = "" }) => {
  news.add(task);
  if (news.size === 1) catching = catching.then(catchUp);
});
await catching;
page.hidden = false;
