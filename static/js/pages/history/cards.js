// One photo as a card, and the days they stand under.

import { el } from "../../shared/dom.js";
import { lang, t, tn } from "../../shared/i18n.js";
import { summaryOf } from "../../viewer/viewer.js";
import { dayOf } from "./sieve.js";

const template = document.getElementById("card");
const clock = new Intl.DateTimeFormat(lang, { timeStyle: "short" }); // making one takes long
const DAY = 24 * 3600 * 1000;
const pictures = new Map(); // task -> [Blob, its URL]

/** A photo's name, or words for one that has none. */
export function nameOf(entry) {
  return entry.name || t("Photo without a name");
}

/** Whether the server will say nothing new of an entry. */
export function isFinal({ state }) {
  return state === "complete" || state === "failure";
}

/** The verdict of an entry in one line, as far as this browser has seen it. */
export function lineOf(entry) {
  if (isFinal(entry)) return summaryOf(entry.kind, keptAnswer(entry));
  if (entry.gone) return t("Removed before its result was seen");
  return entry.state === "processing" ? t("Being recognised") : t("Waiting in the queue");
}

/** An answer like the server's, made of the labels that were kept; its boxes stand nowhere. */
export function keptAnswer({ state, model, labels }) {
  const box = { x_min: 0, y_min: 0, x_max: 1, y_max: 1 };
  const repeated = ({ label, score, count }) => Array.from({ length: count }, () => ({ label, score, box }));
  return { state, model, predictions: labels.flatMap(repeated) };
}

function kindWords(kind) {
  if (kind === "image_classification") return t("Image classification");
  return kind === "object_detection" ? t("Object detection") : kind;
}

/** Kind and model of an entry, and `when` it was sent, in words. */
export function metaOf(entry, when) {
  const words = [kindWords(entry.kind), entry.model].filter(Boolean).join(" · ");
  return [`${words} · `, el("span", { className: "number" }, when)];
}

function urlOf({ task, thumb }) {
  const [known, url] = pictures.get(task) ?? [];
  // A database gives a new Blob each time; an entry's picture changes only from none to one.
  if (known?.size === thumb.size) return url;
  forgetPicture(task);
  const made = URL.createObjectURL(thumb);
  pictures.set(task, [thumb, made]);
  return made;
}

/** Let go of a photo's small picture. */
export function forgetPicture(task) {
  const known = pictures.get(task);
  if (known) URL.revokeObjectURL(known[1]);
  pictures.delete(task);
}

/** The small picture of an entry, or a blank in its place. */
export function smallPicture(entry) {
  if (!entry.thumb) return el("span", { className: "blank" });
  return el("img", { loading: "lazy", decoding: "async", alt: "", src: urlOf(entry) });
}

/** Fill the card `node` from its entry. */
export function fillCard(node, entry, selected) {
  const name = nameOf(entry);
  const pending = !entry.gone && !isFinal(entry);
  node.dataset.task = entry.task;
  node.dataset.state = entry.gone ? "gone" : entry.state;
  node.querySelector(".thumb").replaceChildren(smallPicture(entry));
  const check = node.querySelector("input");
  check.checked = selected;
  node.classList.toggle("picked", selected);
  check.setAttribute("aria-label", t("Select {name}", { name }));
  node.querySelector(".name").textContent = name;
  const verdict = node.querySelector(".verdict");
  verdict.textContent = lineOf(entry);
  verdict.classList.toggle("pending", pending);
  const meta = node.querySelector(".meta");
  meta.replaceChildren(...metaOf(entry, clock.format(entry.time)));
  if (entry.gone) meta.append(" ", el("span", { className: "badge warn" }, t("No longer on the server")));
  node.querySelector(".drop").setAttribute("aria-label", t("Delete {name}", { name }));
}

function dayWords(day, time) {
  if (day === dayOf(Date.now())) return t("Today");
  if (day === dayOf(Date.now() - DAY)) return t("Yesterday");
  return new Intl.DateTimeFormat(lang, { dateStyle: "full" }).format(time);
}

/**
 * Add cards of `entries`, newest first, below those in `box`, each under its day; returns them.
 * `counts` is day -> how many in all.
 */
export function layOut(box, entries, counts, selected) {
  return entries.map((entry) => {
    const day = dayOf(entry.time);
    if (box.lastElementChild?.dataset.day !== day) {
      const count = el("span", { className: "quiet" }, tn(counts.get(day), "{n} photo", "{n} photos"));
      const title = el("h2", {}, dayWords(day, entry.time), " ", count);
      const list = el("ul", { className: "photos" });
      box.append(el("section", { className: "day", "data-day": day }, title, list));
    }
    const card = template.content.firstElementChild.cloneNode(true);
    fillCard(card, entry, selected.has(entry.task));
    box.lastElementChild.lastElementChild.append(card);
    return card;
  });
}
