// One photo of a batch in words: its state, its answer, its best score.

import { lang, percent, t, tn } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { titleOf } from "../../viewer/failure.js";

const NAMED = 3; // labels in one line

/** State -> [words, class of the badge]. */
export const STATES = {
  waiting: [t("waits"), ""],
  processing: [t("in work"), "warn"],
  complete: [t("done"), "good"],
  failure: [t("Failed"), "bad"],
  refused: [t("refused"), "bad"],
  removed: [t("removed"), ""],
};

const shownLabel = (label) => String(label).trim() || t("(no name)");

/** The answer in one line; for photos without one, the reason. */
export function lineOf(kind, { state, labels = [], objects = 0, error = "", code = "" }) {
  // The server gives its reasons in English, and more exactly than the code alone tells.
  if (error) return (lang !== "en" && titleOf(code)) || error;
  if (state !== "complete") return "";
  if (labels.length === 0) return t("Nothing found");
  if (!KINDS[kind].output) return shownLabel(labels[0].label);
  const named = labels
    .slice(0, NAMED)
    .map(({ label, count }) => (count > 1 ? `${shownLabel(label)} ×${count}` : shownLabel(label)));
  if (labels.length > NAMED) named.push("…");
  const list = named.reduce((every, next) => t("{all}, {next}", { all: every, next }));
  return tn(objects, "{n} object: {list}", "{n} objects: {list}", { list });
}

/** The best score, 0..1, or null. */
export function scoreOf({ labels = [] }) {
  return labels.length ? Math.max(...labels.map(({ score }) => score)) : null;
}

export function scoreWords(item) {
  const score = scoreOf(item);
  return score === null ? "" : percent(score);
}

/** The labels that count for a photo: the best one where it is named as a whole, else all. */
export function labelsOf(kind, { labels = [] }) {
  return KINDS[kind].output ? labels : labels.slice(0, 1).map((label) => ({ ...label, count: 1 }));
}

/** Photos per label, [[label, n], ...], most first; objects per label for kinds that find them. */
export function countsOf(kind, items) {
  const counts = new Map();
  for (const item of items) {
    for (const { label, count } of labelsOf(kind, item)) counts.set(label, (counts.get(label) ?? 0) + count);
  }
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

export { shownLabel };
