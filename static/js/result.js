// Results as elements: bars for a classification, a list of boxes for a detection.

import { el } from "./dom.js";
import { text } from "./text.js";

/** Rows of {label, score 0..1, percent} from `predictions`, or from the JSON text in `result`. */
export function predictionsOf(answer) {
  if (Array.isArray(answer.predictions)) {
    return answer.predictions.map(({ label, score }) => ({
      label: String(label),
      score: Number(score),
      percent: text.percent(score),
    }));
  }
  const pairs = Object.entries(JSON.parse(answer.result || "{}"));
  return pairs.map(([label, percent]) => ({ label, percent, score: parseFloat(percent) / 100 }));
}

/** Bars with label and percent, the likeliest first. */
export function classification(rows) {
  const bars = rows.map(({ label, score, percent }) => {
    const fill = el("span", { className: "bar-fill" });
    fill.style.width = `${Math.min(100, Math.max(0, 100 * score))}%`;
    return el(
      "li",
      { className: "bar" },
      el("span", { className: "label" }, label),
      el("span", { className: "percent" }, percent),
      el("span", { className: "bar-track", "aria-hidden": "true" }, fill),
    );
  });
  return [
    el("h3", { className: "unseen" }, text.likeliest),
    el("ol", { className: "bars" }, ...bars),
  ];
}

/** The count per label and one row per box; a row shows its box through `picture`. */
export function detection(detections, size, picture) {
  const counts = new Map();
  for (const { label } of detections) counts.set(label, (counts.get(label) ?? 0) + 1);
  const chips = [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([label, n]) => el("li", {}, el("span", {}, String(label)), " ", el("b", {}, text.times(n))));
  const rows = detections.map((found) => el("li", {}, boxRow(found, size, picture)));
  return [
    el("h3", { className: "unseen" }, text.objects(detections.length)),
    el("ul", { className: "chips" }, ...chips),
    el("ol", { className: "boxes" }, ...rows),
  ];
}

function boxRow({ label, score, box }, size, picture) {
  const [x1, y1, x2, y2] = [box.x_min, box.y_min, box.x_max, box.y_max].map(Math.round);
  const row = el(
    "button",
    { type: "button", className: "box" },
    el("span", { className: "label" }, String(label)),
    el("span", { className: "percent" }, text.percent(score)),
    el("span", { className: "position" }, text.position(x1, y1, x2 - x1, y2 - y1)),
  );
  const mark = () => picture.mark(box, size);
  for (const event of ["pointerenter", "focus", "click"]) row.addEventListener(event, mark);
  for (const event of ["pointerleave", "blur"]) row.addEventListener(event, () => picture.unmark());
  return row;
}

/** What is said when the model was sure of nothing. */
export function nothing() {
  return [el("p", { className: "quiet" }, text.nothingHelp)];
}

/** Which model answered, and links to keep the answer: [[url, file name, words], ...]. */
export function colophon(answer, links) {
  const { width, height } = answer.image ?? {};
  const facts = [answer.model, answer.engine, width && height ? text.pixels(width, height) : ""];
  const saves = links.map(([href, download, words]) => el("a", { href, download }, words));
  return [
    el("p", { className: "saves" }, ...saves),
    el("p", { className: "quiet facts" }, facts.filter(Boolean).join(" · ")),
  ];
}
