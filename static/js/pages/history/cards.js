// One photo as a card, and the days the cards are under.

/** @import { Answer } from "../../shared/api.js" */
/** @import { Entry } from "../../shared/store.js" */

import { el, find } from "../../shared/dom.js";
import { lang, t, tn } from "../../shared/i18n.js";
import { draws, titleOf } from "../../shared/kinds.js";
import { summaryOf } from "../../viewer/viewer.js";
import { dayOf } from "./filter.js";

const template = find("#card", document, HTMLTemplateElement);
const clock = new Intl.DateTimeFormat(lang, { timeStyle: "short" }); // making one takes long
const DAY = 24 * 3600 * 1000;
/** @type {Map<string, { thumb: Blob, url: string }>} */
const thumbs = new Map(); // by task

/**
 * A photo's name, or words for one without.
 *
 * @param {Entry} entry
 */
export function nameOf(entry) {
  return entry.name || t("Unnamed photo");
}

/**
 * Whether the server will say nothing new of an entry.
 *
 * @param {{ state?: string }} entry
 */
export function isFinal({ state }) {
  return state === "complete" || state === "failure";
}

/**
 * Summarise the result of an entry in one line, as far as this browser has seen it.
 *
 * @param {Entry} entry
 */
export function lineOf(entry) {
  if (isFinal(entry)) return summaryOf(storedAnswer(entry));
  if (entry.gone) return t("Deleted before its result arrived");
  return entry.state === "processing" ? t("Being recognised") : t("Waiting in the queue");
}

/**
 * Rebuild an answer like the server's from the labels in the store. For kinds with objects each
 * gets a box, whose place is not stored.
 *
 * @param {Entry} entry
 * @returns {Answer}
 */
export function storedAnswer({ kind, state, model, labels }) {
  const box = draws(kind) ? { x_min: 0, y_min: 0, x_max: 1, y_max: 1 } : undefined;
  const predictions = labels.flatMap(({ label, score, count }) =>
    Array.from({ length: count }, () => ({ label, score, box })),
  );
  return { state, model, predictions };
}

/**
 * Say kind and model of an entry, and `when` it was sent.
 *
 * @param {Entry} entry
 * @param {string} when
 */
export function metaOf(entry, when) {
  const words = [titleOf(entry.kind), entry.model].filter(Boolean).join(" · ");
  return [`${words} · `, el("span", { className: "number" }, when)];
}

/**
 * @param {string} task
 * @param {Blob} thumb
 */
function urlOf(task, thumb) {
  const before = thumbs.get(task);
  // The database gives a new Blob each time; an entry's thumbnail changes only from none to one.
  if (before?.thumb.size === thumb.size) return before.url;
  releaseThumb(task);
  const url = URL.createObjectURL(thumb);
  thumbs.set(task, { thumb, url });
  return url;
}

/**
 * Release the memory of a photo's thumbnail.
 *
 * @param {string} task
 */
export function releaseThumb(task) {
  const before = thumbs.get(task);
  if (before) URL.revokeObjectURL(before.url);
  thumbs.delete(task);
}

/**
 * Show the thumbnail of an entry, or a blank in its place.
 *
 * @param {Entry} entry
 */
export function thumbImage({ task, thumb }) {
  if (!thumb) return el("span", { className: "blank" });
  return el("img", { loading: "lazy", decoding: "async", alt: "", src: urlOf(task, thumb) });
}

/**
 * Fill the card `node` from its entry.
 *
 * @param {HTMLElement} node
 * @param {Entry} entry
 * @param {boolean} selected
 */
export function fillCard(node, entry, selected) {
  const name = nameOf(entry);
  const pending = !entry.gone && !isFinal(entry);
  node.dataset.task = entry.task;
  node.dataset.state = entry.gone ? "gone" : entry.state;
  find(".thumb", node).replaceChildren(thumbImage(entry));
  const check = find("input", node, HTMLInputElement);
  check.checked = selected;
  node.classList.toggle("picked", selected);
  check.setAttribute("aria-label", t("Select {name}", { name }));
  find(".name", node).textContent = name;
  const verdict = find(".verdict", node);
  verdict.textContent = lineOf(entry);
  verdict.classList.toggle("pending", pending);
  const meta = find(".meta", node);
  meta.replaceChildren(...metaOf(entry, clock.format(entry.time)));
  if (entry.gone) {
    meta.append(" ", el("span", { className: "badge warn" }, t("No longer on the server")));
  }
  find(".drop", node).setAttribute("aria-label", t("Delete {name}", { name }));
}

/**
 * @param {string} day
 * @param {number} time
 */
function dayWords(day, time) {
  if (day === dayOf(Date.now())) return t("Today");
  if (day === dayOf(Date.now() - DAY)) return t("Yesterday");
  return new Intl.DateTimeFormat(lang, { dateStyle: "full" }).format(time);
}

/**
 * Add cards of `entries`, newest first, below those in `box`, each under its day; returns them.
 *
 * @param {HTMLElement} box
 * @param {Entry[]} entries
 * @param {Map<string, number>} counts day -> how many in all
 * @param {Set<string>} selected tasks
 */
export function layOut(box, entries, counts, selected) {
  return entries.map((entry) => {
    const day = dayOf(entry.time);
    let section = box.lastElementChild;
    if (!(section instanceof HTMLElement) || section.dataset.day !== day) {
      const n = counts.get(day) ?? 0;
      const count = el("span", { className: "quiet" }, tn(n, "{n} photo", "{n} photos"));
      const title = el("h2", {}, dayWords(day, entry.time), " ", count);
      const list = el("ul", { className: "photos" });
      section = el("section", { className: "day", "data-day": day }, title, list);
      box.append(section);
    }
    const content = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const card = find("li", content);
    fillCard(card, entry, selected.has(entry.task));
    find("ul", section).append(card);
    return card;
  });
}
