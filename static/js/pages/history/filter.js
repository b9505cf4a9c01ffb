// Which photos the form lets through, and the address that remembers it.

/** @import { Entry } from "../../shared/store.js" */

import { find } from "../../shared/dom.js";

const MIN_SCORE = 0.1; // of a label that is searched beside the best one
const NAMES = ["q", "kind", "from", "to"];

/**
 * The field `name` of the form.
 *
 * @param {HTMLFormElement} form
 * @param {string} name
 */
const field = (form, name) =>
  /** @type {HTMLInputElement | HTMLSelectElement} */ (find(`[name=${name}]`, form));

/**
 * Write the local day of a time (ms since 1970) as "2026-11-21".
 *
 * @param {number} time
 */
export function dayOf(time) {
  const date = new Date(time);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** @param {string} words */
const normalize = (words) => words.normalize("NFKC").toLowerCase();

/**
 * Make a function that says whether an entry matches the form: every word in its name, labels or
 * model; its kind; its day.
 *
 * @param {HTMLFormElement} form
 * @returns {(entry: Entry) => boolean}
 */
export function filterOf(form) {
  const [q, kind, from, to] = NAMES.map((name) => field(form, name).value);
  const words = normalize(q).split(/\s+/u).filter(Boolean);
  return (entry) => {
    if (kind && entry.kind !== kind) return false;
    const day = dayOf(entry.time);
    if ((from && day < from) || (to && day > to)) return false;
    // A model that names photos gives each label some small score.
    const labels = entry.labels.filter(({ score }, at) => at === 0 || score >= MIN_SCORE);
    const text = normalize([entry.name, entry.model, ...labels.map(({ label }) => label)].join("\n"));
    return words.every((word) => text.includes(word));
  };
}

/**
 * Whether the form lets everything through.
 *
 * @param {HTMLFormElement} form
 */
export function isOpen(form) {
  return NAMES.every((name) => field(form, name).value === "");
}

/**
 * Put the form's values into the page's address, so that they survive a reload.
 *
 * @param {HTMLFormElement} form
 */
export function remember(form) {
  const url = new URL(location.href);
  for (const name of NAMES) {
    const { value } = field(form, name);
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  window.history.replaceState(null, "", url);
}

/**
 * Fill the form from the page's address.
 *
 * @param {HTMLFormElement} form
 */
export function recall(form) {
  const query = new URL(location.href).searchParams;
  for (const name of NAMES) field(form, name).value = query.get(name) ?? "";
  // A kind that there is none of, from an edited address, leaves a select empty.
  const kind = find("[name=kind]", form, HTMLSelectElement);
  if (kind.selectedIndex < 0) kind.value = "";
}
