// The result document as data: predictions, labels, and one line of words.

/** @import { Answer, ServerBox } from "../shared/api.js" */

import { listOf, percent, t, tn } from "../shared/i18n.js";

/**
 * A box in pixels of the upright photo; x1 is left of x2, y1 above y2.
 *
 * @typedef {{ x1: number, y1: number, x2: number, y2: number }} Box
 * @typedef {{ label: string, score: number, box?: Box }} Prediction score 0..1
 * @typedef {{ label: string, score: number, box: Box }} Detection
 * @typedef {{ label: string, score: number, count: number }} LabelCount with the best score
 */

const MAX_NAMED = 3; // labels in one line

/**
 * Whether an answer has boxes, and not one label for the whole photo. What the answer holds
 * decides, whatever its kind is called.
 *
 * @param {Answer} answer
 */
export function hasBoxes(answer) {
  const rows = Array.isArray(answer.predictions) ? answer.predictions : [];
  return Boolean(answer.result_image) || rows.some(({ box }) => box);
}

/**
 * The text of a label: some models have labels without a letter.
 *
 * @param {unknown} label
 */
export function labelText(label) {
  return String(label ?? "").trim() || t("(no name)");
}

/**
 * Read the predictions, best first. Older documents hold percents in `result` and nothing else.
 *
 * @param {Answer} answer
 * @returns {Prediction[]}
 */
export function predictionsOf(answer) {
  const rows = Array.isArray(answer.predictions) ? answer.predictions : oldRows(answer);
  const predictions = rows.map(({ label, score, box }) => ({
    label: String(label ?? ""),
    score: Number(score) || 0,
    ...(box ? { box: edges(box) } : {}),
  }));
  return hasBoxes(answer) ? predictions.filter(isDetection) : predictions;
}

/**
 * Read the predictions that have a box, best first.
 *
 * @param {Answer} answer
 */
export function detectionsOf(answer) {
  return predictionsOf(answer).filter(isDetection);
}

/**
 * @param {Prediction} prediction
 * @returns {prediction is Detection}
 */
function isDetection(prediction) {
  const { box } = prediction;
  return box !== undefined && Object.values(box).every(Number.isFinite);
}

/**
 * @param {Answer} answer
 * @returns {{ label: string, score: number, box?: ServerBox }[]}
 */
function oldRows(answer) {
  try {
    const rows = Object.entries(JSON.parse(answer.result || "{}"));
    return rows.map(([label, words]) => ({ label, score: parseFloat(String(words)) / 100 }));
  } catch {
    return [];
  }
}

/**
 * @param {ServerBox} box
 * @returns {Box}
 */
function edges({ x_min, y_min, x_max, y_max }) {
  const [x1, x2] = [Number(x_min), Number(x_max)].sort((a, b) => a - b);
  const [y1, y2] = [Number(y_min), Number(y_max)].sort((a, b) => a - b);
  return { x1, y1, x2, y2 };
}

/**
 * Count the labels of an answer, most frequent and best first.
 *
 * @param {Answer} answer
 */
export function labelsOf(answer) {
  /** @type {Map<string, LabelCount>} */
  const labels = new Map();
  for (const { label, score } of predictionsOf(answer)) {
    const entry = labels.get(label) ?? { label, score, count: 0 };
    entry.score = Math.max(entry.score, score);
    entry.count += 1;
    labels.set(label, entry);
  }
  return [...labels.values()].sort((a, b) => b.count - a.count || b.score - a.score);
}

/**
 * Summarise an answer in one line: "tabby, 87.5%", "3 objects: 7 ×2, 3", or why there is nothing.
 *
 * @param {Answer} answer
 */
export function summaryOf(answer) {
  if (answer.state === "failure") return t("Failed");
  if (answer.state && answer.state !== "complete") return t("Not finished yet");
  const [best] = predictionsOf(answer);
  if (best && hasBoxes(answer)) return objectsLine(labelsOf(answer));
  if (best) {
    return t("{label}, {percent}", { label: labelText(best.label), percent: percent(best.score) });
  }
  return isUnlisted(answer) ? t("See the annotated picture") : t("Nothing found");
}

/**
 * Whether this is an older document, whose objects are in the annotated picture alone.
 *
 * @param {Answer} answer
 */
export function isUnlisted(answer) {
  return !Array.isArray(answer.predictions) && Boolean(answer.result_image);
}

/**
 * Name the first labels with their counts: "7 ×2, 3".
 *
 * @param {{ label: string, count: number }[]} labels
 */
export function namesLine(labels) {
  const names = labels
    .slice(0, MAX_NAMED)
    .map(({ label, count }) => (count > 1 ? `${labelText(label)} ×${count}` : labelText(label)));
  if (labels.length > MAX_NAMED) names.push("…");
  return listOf(names);
}

/** @param {LabelCount[]} labels */
function objectsLine(labels) {
  const n = labels.reduce((sum, { count }) => sum + count, 0);
  return tn(n, "{n} object: {list}", "{n} objects: {list}", { list: namesLine(labels) });
}
