// What two models say alike: the labels that both gave, with the score of each.

import { el } from "../../shared/dom.js";
import { percent, t, tn } from "../../shared/i18n.js";

/** The best score and the count of each label of an answer: Map label -> {score, n}. */
export function labelsOf(answer) {
  const found = new Map();
  for (const { label, score } of answer.predictions ?? []) {
    const known = found.get(String(label)) ?? { score: 0, n: 0 };
    found.set(String(label), { score: Math.max(known.score, Number(score)), n: known.n + 1 });
  }
  return found;
}

/** Elements that say what the two `sides` (with answer, model, kind) agree on. */
export function agreement(sides) {
  const [first, second] = sides.map(({ answer }) => labelsOf(answer));
  const both = [...first.keys()].filter((label) => second.has(label));
  const weight = (label) => first.get(label).score + second.get(label).score;
  both.sort((a, b) => weight(b) - weight(a));
  const parts = [el("h3", {}, heading(first, second, both))];
  if (both.length > 0) parts.push(table(sides, first, second, both.slice(0, 10)));
  return parts;
}

const best = (found) => [...found].sort((a, b) => b[1].score - a[1].score)[0]?.[0];

function heading(first, second, both) {
  if (first.size === 0 && second.size === 0) return t("Both found nothing.");
  if (both.length === 0) return t("They have no label in common.");
  const top = best(first);
  if (top === best(second)) return t("Both say {label} first.", { label: top });
  return tn(both.length, "{n} label is in both answers.", "{n} labels are in both answers.");
}

function table(sides, first, second, labels) {
  const cell = ({ score, n }) => (n > 1 ? `${percent(score)} ×${n}` : percent(score));
  const head = [t("Label"), ...sides.map(({ model }) => model)];
  const rows = labels.map((label) =>
    el(
      "tr",
      {},
      el("th", { scope: "row", className: "label" }, el("bdi", {}, label)),
      ...[first, second].map((found) => el("td", { className: "number" }, cell(found.get(label)))),
    ),
  );
  return el(
    "div",
    { className: "scroll" },
    el(
      "table",
      {},
      el("caption", { className: "unseen" }, t("Labels that both models gave")),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...head.map((words, i) =>
            el("th", { scope: "col", className: i ? "number label" : "" }, el("bdi", {}, words)),
          ),
        ),
      ),
      el("tbody", {}, ...rows),
    ),
  );
}
