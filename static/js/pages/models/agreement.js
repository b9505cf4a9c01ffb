// What two models agree on: the labels that both gave, with the score of each.

/** @import { Answer } from "../../shared/api.js" */

import { el } from "../../shared/dom.js";
import { percent, t, tn } from "../../shared/i18n.js";

/**
 * @typedef {Map<string, { score: number, n: number }>} Labels label -> best score and count
 * @typedef {{ model: string, answer: Answer | null }} Side
 */

const MAX_ROWS = 10;

/**
 * Find the best score and the count of each label.
 *
 * @param {Answer | null} answer
 */
export function labelsOf(answer) {
  /** @type {Labels} */
  const labels = new Map();
  for (const { label, score } of answer?.predictions ?? []) {
    const entry = labels.get(String(label)) ?? { score: 0, n: 0 };
    labels.set(String(label), { score: Math.max(entry.score, Number(score)), n: entry.n + 1 });
  }
  return labels;
}

/**
 * Show what two sides agree on.
 *
 * @param {Side[]} sides
 * @returns {HTMLElement[]}
 */
export function agreement(sides) {
  const [first, second] = sides.map(({ answer }) => labelsOf(answer));
  const common = [...first.keys()].filter((label) => second.has(label));
  const weight = (/** @type {string} */ label) =>
    (first.get(label)?.score ?? 0) + (second.get(label)?.score ?? 0);
  common.sort((a, b) => weight(b) - weight(a));
  const title = el("h3", {}, titleOf(first, second, common.length));
  if (common.length === 0) return [title];
  return [title, table(sides, [first, second], common.slice(0, MAX_ROWS))];
}

/** @param {Labels} labels */
const best = (labels) => [...labels].sort((a, b) => b[1].score - a[1].score)[0]?.[0];

/**
 * @param {Labels} first
 * @param {Labels} second
 * @param {number} common
 */
function titleOf(first, second, common) {
  if (first.size === 0 && second.size === 0) return t("Neither model found anything.");
  if (common === 0) return t("They have no label in common.");
  const top = best(first);
  if (top === best(second)) return t("Both rank {label} first.", { label: top ?? "" });
  return tn(common, "{n} label is in both results.", "{n} labels are in both results.");
}

/**
 * @param {Side[]} sides
 * @param {Labels[]} answers
 * @param {string[]} labels
 */
function table(sides, answers, labels) {
  const cell = (/** @type {{ score: number, n: number } | undefined} */ entry) => {
    const { score, n } = entry ?? { score: 0, n: 0 };
    return el("td", { className: "number" }, n > 1 ? `${percent(score)} ×${n}` : percent(score));
  };
  const head = [t("Label"), ...sides.map(({ model }) => model)].map((words, i) => {
    const props = { scope: "col", className: i ? "number label" : "" };
    return el("th", props, el("bdi", {}, words));
  });
  const rows = labels.map((label) => {
    const name = el("th", { scope: "row", className: "label" }, el("bdi", {}, label));
    return el("tr", {}, name, ...answers.map((answer) => cell(answer.get(label))));
  });
  const caption = el("caption", { className: "unseen" }, t("Labels in both results"));
  const body = el("tbody", {}, ...rows);
  const node = el("table", {}, caption, el("thead", {}, el("tr", {}, ...head)), body);
  return el("div", { className: "scroll" }, node);
}
