// The line above the list: how many photos there are, and the buttons that work on them.

import { el, find } from "../../shared/dom.js";
import { number, t, tn } from "../../shared/i18n.js";

/** @import { Sentence } from "./removal.js" */

const status = find("#said");

/**
 * Show the numbers of photos: in all, those that pass the form, and those of them with a tick.
 *
 * @param {{ all: number, passing: number, selected: number, isOpen: boolean }} sums `isOpen`:
 *   whether the form lets everything through
 */
export function showSums({ all, passing, selected, isOpen }) {
  const n = selected || passing; // what the buttons work on
  find("#count").textContent = countWords(all, passing, selected, isOpen);
  const exports = find("#export button", document, HTMLButtonElement);
  const deletes = find("#delete", document, HTMLButtonElement);
  exports.textContent = t("Export {n} as ZIP", { n: number(n) });
  deletes.textContent = t("Delete {n}", { n: number(n) });
  exports.disabled = deletes.disabled = n === 0;
  const box = find("#all", document, HTMLInputElement);
  box.disabled = passing === 0;
  box.checked = passing > 0 && selected === passing;
  box.indeterminate = selected > 0 && selected < passing;
  find("#unsift", document, HTMLButtonElement).disabled = isOpen;
}

/**
 * @param {number} all
 * @param {number} passing
 * @param {number} selected
 * @param {boolean} isOpen
 */
function countWords(all, passing, selected, isOpen) {
  const of = number(all);
  if (selected) return t("{n} of {of} photos selected", { n: number(selected), of });
  if (!isOpen) return t("{n} of {of} photos shown", { n: number(passing), of });
  return tn(all, "{n} photo", "{n} photos");
}

/**
 * Report in the status line.
 *
 * @param {...Sentence} sentences
 */
export function say(...sentences) {
  const nodes = sentences.map(([words, bad]) => el("p", { className: bad ? "problem" : "done" }, words));
  status.replaceChildren(...nodes);
}

/**
 * Say that the server does not answer, or take it back.
 *
 * @param {boolean} there whether it does
 */
export function showReach(there) {
  const note = document.getElementById("unreached");
  if (there) note?.remove();
  else if (!note) {
    const words = t("The server does not respond. The list shows what is stored in this browser.");
    status.after(el("p", { className: "problem", id: "unreached", role: "status" }, words));
  }
}
