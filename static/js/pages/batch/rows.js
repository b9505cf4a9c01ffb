// One photo of a batch in words: its state, its result, its best score.

import { lang, percent, t, tn } from "../../shared/i18n.js";
import { draws } from "../../shared/kinds.js";
import { labelText, namesLine } from "../../viewer/answer.js";
import { titleOf } from "../../viewer/failure.js";

/**
 * One photo of a batch, as the server's document has it.
 *
 * @typedef {object} Item
 * @property {number} n its number in the batch
 * @property {string} name
 * @property {string} state
 * @property {string} [task] missing for a file that was refused
 * @property {string} [key]
 * @property {LabelCount[]} [labels]
 * @property {number} [objects]
 * @property {number | null} [ms]
 * @property {string} [error]
 * @property {string} [code]
 */

/** @typedef {{ label: string, score: number, count: number }} LabelCount */

/**
 * State -> [words, class of the badge].
 *
 * @type {Record<string, [string, string]>}
 */
export const STATES = {
  waiting: [t("waiting"), ""],
  processing: [t("processing"), "warn"],
  complete: [t("done"), "good"],
  failure: [t("Failed"), "bad"],
  refused: [t("rejected"), "bad"],
  removed: [t("deleted"), ""],
};

/**
 * Summarise the result in one line; for photos without one, the reason.
 *
 * @param {string} kind
 * @param {Item} item
 */
export function lineOf(kind, { state, labels = [], objects = 0, error = "", code = "" }) {
  // The server gives its reasons in English, and more exactly than the code alone does.
  if (error) return (lang !== "en" && titleOf(code)) || error;
  if (state !== "complete") return "";
  if (labels.length === 0) return t("Nothing found");
  if (!draws(kind)) return labelText(labels[0].label);
  return tn(objects, "{n} object: {list}", "{n} objects: {list}", { list: namesLine(labels) });
}

/**
 * Find the best score, 0..1, or null.
 *
 * @param {Item} item
 */
export function scoreOf({ labels = [] }) {
  return labels.length ? Math.max(...labels.map(({ score }) => score)) : null;
}

/** @param {Item} item */
export function scoreWords(item) {
  const score = scoreOf(item);
  return score === null ? "" : percent(score);
}

/**
 * List the labels that count for a photo: all of its objects, or the best label of the whole photo.
 *
 * @param {string} kind
 * @param {Item} item
 */
export function labelsOf(kind, { labels = [] }) {
  return draws(kind) ? labels : labels.slice(0, 1).map((label) => ({ ...label, count: 1 }));
}

/**
 * Count photos per label, or objects per label for kinds with objects; most frequent first.
 *
 * @param {string} kind
 * @param {Iterable<Item>} items
 */
export function countsOf(kind, items) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const item of items) {
    for (const { label, count } of labelsOf(kind, item)) {
      counts.set(label, (counts.get(label) ?? 0) + count);
    }
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}
