// One photo of the list, in a dialog over it.

/** @import { Answer } from "../../shared/api.js" */
/** @import { Entry } from "../../shared/store.js" */

import { el, find, withQuery } from "../../shared/dom.js";
import { moment, t } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { resultView } from "../../viewer/viewer.js";
import { isFinal, lineOf, metaOf, nameOf, storedAnswer, thumbImage } from "./cards.js";
import { ask, save } from "./results.js";

/**
 * The address of the page for one photo, and the neighbours in the list.
 *
 * @typedef {{ photoPage: string, newer?: Entry, older?: Entry }} Surroundings
 */

const dialog = find("#opened", document, HTMLDialogElement);
const body = find("#opened-body");

/** @type {Entry | null} */
let current = null; // the entry in the dialog, with the state that the server gave last
let request = new AbortController();

/**
 * @param {Entry} entry
 * @param {string} title
 * @param {string} text
 */
function note(entry, title, text) {
  const words = [el("p", { className: "kept-title" }, title), el("p", { className: "quiet" }, text)];
  const image = entry.thumb ? thumbImage(entry) : "";
  return el("div", { className: "kept" }, image, el("div", {}, ...words));
}

/** @param {Entry} entry */
function goneView(entry) {
  const text = t("It was deleted or has expired. This browser still has a summary of it.");
  const labels = storedAnswer(entry).predictions?.length ? lineOf(entry) : "";
  const line = labels ? el("p", { className: "kept-line" }, labels) : "";
  return el("div", {}, note(entry, t("No longer on the server"), text), line);
}

/**
 * @param {Entry} entry
 * @param {Answer} answer
 */
function viewOf(entry, answer) {
  const { kind, task, key } = entry;
  const picture = address(kind, "input", { task, key });
  if (isFinal(answer)) {
    return resultView({ kind, answer, picture, task, key, name: nameOf(entry) });
  }
  const title = lineOf({ ...entry, state: answer.state ?? "" });
  const photo = el("img", { className: "sent", src: picture, alt: t("The original photo") });
  return el("div", {}, note(entry, title, t("The result will appear here automatically.")), photo);
}

/** @param {Entry} entry */
async function fill(entry) {
  request.abort();
  request = new AbortController();
  const { signal } = request;
  try {
    const answer = entry.gone ? null : await ask(entry, signal);
    if (signal.aborted) return;
    current = { ...entry, state: answer?.state ?? entry.state, gone: !answer };
    body.replaceChildren(answer ? viewOf(entry, answer) : goneView(entry));
    await save(entry, answer);
  } catch {
    if (signal.aborted) return;
    const retry = el("button", { type: "button", className: "button" }, t("Try again"));
    retry.addEventListener("click", () => fill(entry));
    const text = t("Stored in this browser: {line}", { line: lineOf(entry) });
    body.replaceChildren(note(entry, t("The server could not be reached."), text), retry);
  }
}

/**
 * Open `entry` in the dialog.
 *
 * @param {Entry} entry
 * @param {Surroundings} surroundings
 */
export function open(entry, { photoPage, newer, older }) {
  const isOther = current?.task !== entry.task;
  current = entry;
  const { task, key } = entry;
  find("#opened-name").textContent = nameOf(entry);
  find("#opened-meta").replaceChildren(...metaOf(entry, moment(entry.time)));
  const link = find("#opened-link", dialog, HTMLAnchorElement);
  link.hidden = Boolean(entry.gone);
  link.href = withQuery(photoPage, { task, key });
  find("#newer", dialog, HTMLButtonElement).disabled = !newer;
  find("#older", dialog, HTMLButtonElement).disabled = !older;
  if (isOther) body.replaceChildren(el("p", { className: "quiet" }, t("Loading…")));
  if (!dialog.open) dialog.showModal();
  return fill(entry);
}

/**
 * Show what is new of an entry of the list, if it is the one in the dialog.
 *
 * @param {Entry} entry
 * @param {Surroundings} surroundings
 */
export function refresh(entry, surroundings) {
  if (!dialog.open || current?.task !== entry.task) return;
  const isNews = entry.state !== current.state || Boolean(entry.gone) !== Boolean(current.gone);
  if (isNews) open(entry, surroundings);
}

/** The task of the photo in the dialog, or "". */
export function openTask() {
  return dialog.open && current ? current.task : "";
}

/** Close the dialog, if it is open. */
export function close() {
  if (dialog.open) dialog.close();
}

dialog.addEventListener("close", () => {
  request.abort();
  current = null;
  body.replaceChildren(); // its pictures need memory
});
