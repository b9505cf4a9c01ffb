// The result document as data: what was found, its labels, and one line of words.

import { percent, t, tn } from "../shared/i18n.js";
import { KINDS } from "../shared/kinds.js";

const MOST_NAMED = 3; // labels in one line

/** Whether photos of this kind get boxes, and not one answer for the whole photo. */
export function detects(kind) {
  return Boolean(KINDS[kind]?.output);
}

/** A label as it is shown: models have labels without a letter, too. */
export function shownLabel(label) {
  return String(label ?? "").trim() || t("(no name)");
}

/**
 * What was found, best first: [{label, score 0..1}], for detections with `box` {x1, y1, x2, y2}
 * in pixels of the upright photo. Older answers hold percents in `result` and nothing else.
 */
export function predictionsOf(kind, answer) {
  const rows = Array.isArray(answer?.predictions) ? answer.predictions : oldRows(answer);
  const found = rows.map(({ label, score, box }) => ({
    label: String(label ?? ""),
    score: Number(score) || 0,
    ...(box ? { box: edges(box) } : {}),
  }));
  return detects(kind) ? found.filter(({ box }) => box && Object.values(box).every(isFinite)) : found;
}

function oldRows(answer) {
  try {
    const rows = Object.entries(JSON.parse(answer?.result || "{}"));
    return rows.map(([label, words]) => ({ label, score: parseFloat(words) / 100 }));
  } catch {
    return [];
  }
}

function edges({ x_min: x1, y_min: y1, x_max: x2, y_max: y2 }) {
  const [left, right] = [Number(x1), Number(x2)].sort((a, b) => a - b);
  const [top, bottom] = [Number(y1), Number(y2)].sort((a, b) => a - b);
  return { x1: left, y1: top, x2: right, y2: bottom };
}

/** The labels of an answer, [{label, score of the best, count}], most frequent and best first. */
export function labelsOf(kind, answer) {
  const labels = new Map();
  for (const { label, score } of predictionsOf(kind, answer)) {
    const known = labels.get(label) ?? { label, score, count: 0 };
    known.score = Math.max(known.score, score);
    known.count += 1;
    labels.set(label, known);
  }
  return [...labels.values()].sort((a, b) => b.count - a.count || b.score - a.score);
}

/** One line: "tabby, 87.5%", "3 objects: 7 ×2, 3", or what there is instead. */
export function summaryOf(kind, answer) {
  if (answer?.state === "failure") return t("Failed");
  if (answer?.state && answer.state !== "complete") return t("Not finished yet");
  const found = predictionsOf(kind, answer);
  if (found.length > 0) return detects(kind) ? objects(labelsOf(kind, answer)) : best(found[0]);
  return isUnlisted(kind, answer) ? t("See the annotated picture") : t("Nothing found");
}

/** Whether this is an older answer, whose objects stand in the annotated picture alone. */
export function isUnlisted(kind, answer) {
  return detects(kind) && !Array.isArray(answer?.predictions) && Boolean(answer?.result_image);
}

function best({ label, score }) {
  return t("{label}, {percent}", { label: shownLabel(label), percent: percent(score) });
}

function objects(labels) {
  const n = labels.reduce((sum, { count }) => sum + count, 0);
  const named = labels
    .slice(0, MOST_NAMED)
    .map(({ label, count }) => (count > 1 ? `${shownLabel(label)} ×${count}` : shownLabel(label)));
  if (labels.length > MOST_NAMED) named.push("…");
  const list = named.reduce((all, next) => t("{all}, {next}", { all, next }));
  return tn(n, "{n} object: {list}", "{n} objects: {list}", { list });
}
