// Two drawings of a batch: how often each label came, and how sure the model was.

import { el } from "../../shared/dom.js";
import { number, t, tn } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { countsOf, labelsOf, shownLabel } from "./rows.js";

const SVG = "http://www.w3.org/2000/svg";
const LABELS = 10; // with bars of their own
const BAR = 30; // px from one bar to the next
const BINS = 20; // of five percent each
const TALL = 190; // px of the histogram
const FOOT = 22; // px below its bars
const LETTER = 7.2; // px, the mean width of one at the size of the labels

const shape = (name, attributes = {}, ...children) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

export class Plots {
  /** `box` is filled with two figures; they follow its width. */
  constructor(box, kind) {
    this.kind = kind;
    this.labels = figure("plot-labels", KINDS[kind].output ? t("Objects per label") : t("Photos per label"));
    this.scores = figure("plot-scores", KINDS[kind].output ? t("Best score of each label") : t("Score of the best answer"));
    box.replaceChildren(this.labels.node, this.scores.node);
    this.box = box;
    this.items = [];
    this.width = 0;
    new ResizeObserver(() => this.resized()).observe(box);
  }

  resized() {
    const width = this.labels.paper.clientWidth;
    if (width && width !== this.width) this.show(this.items);
  }

  /** Draw what these items say; nothing is shown while there is nothing to say. */
  show(items) {
    this.items = items;
    const counts = countsOf(this.kind, items);
    this.box.hidden = counts.length === 0;
    this.width = this.labels.paper.clientWidth;
    if (this.box.hidden || !this.width) return;
    this.drawLabels(counts);
    this.drawScores(items.flatMap((item) => labelsOf(this.kind, item).map(({ score }) => score)));
  }

  drawLabels(counts) {
    const rest = counts.slice(LABELS).reduce((sum, [, n]) => sum + n, 0);
    const bars = counts.slice(0, LABELS).map(([label, n]) => [shownLabel(label), n, ""]);
    if (rest) {
      bars.push([tn(counts.length - LABELS, "{n} other label", "{n} other labels"), rest, "rest"]);
    }
    const most = Math.max(...bars.map(([, n]) => n));
    const left = Math.min(this.width * 0.4, 12 + LETTER * Math.max(...bars.map(([words]) => wide(words))));
    const right = 16 + LETTER * number(most).length;
    const room = Math.max(20, this.width - left - right);
    const drawn = bars.flatMap(([words, n, look], i) => {
      const y = i * BAR;
      const width = Math.max(2, (room * n) / most);
      return [
        shape("text", { class: "plot-label", x: left - 10, y: y + 19, "text-anchor": "end" }, clipped(words, left - 10)),
        shape("rect", { class: `plot-bar ${look}`, x: left, y: y + 5, width, height: BAR - 10, rx: 4 }),
        shape("text", { class: "plot-number", x: left + width + 8, y: y + 19 }, number(n)),
      ];
    });
    const rows = bars.map(([words, n]) => [words, number(n)]);
    this.labels.fill(drawn, this.width, bars.length * BAR, [t("Label"), t("Number")], rows);
  }

  drawScores(scores) {
    const bins = Array.from({ length: BINS }, () => 0);
    for (const score of scores) bins[Math.max(0, Math.min(BINS - 1, Math.floor(score * BINS)))] += 1;
    const most = Math.max(1, ...bins);
    const step = this.width / BINS;
    const top = 18;
    const room = TALL - top - FOOT;
    const drawn = bins.flatMap((n, i) => {
      if (!n) return [];
      const height = Math.max(2, (room * n) / most);
      const bar = { class: "plot-bar", x: i * step + 1, y: top + room - height, width: step - 2, height, rx: 3 };
      return [shape("rect", bar, shape("title", {}, `${span(i)}: ${number(n)}`))];
    });
    const tallest = bins.indexOf(most);
    drawn.push(
      shape("text", { class: "plot-number", x: (tallest + 0.5) * step, y: top - 5, "text-anchor": "middle" }, number(most)),
      shape("line", { class: "plot-axis", x1: 0, x2: this.width, y1: top + room + 0.5, y2: top + room + 0.5 }),
    );
    for (const [part, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
      const place = { class: "plot-tick", x: part * this.width, y: TALL - 5, "text-anchor": anchor };
      drawn.push(shape("text", place, `${100 * part}%`));
    }
    const rows = bins.map((n, i) => [span(i), number(n)]).filter((_, i) => bins[i]);
    this.scores.fill(drawn, this.width, TALL, [t("Score"), t("Number")], rows);
  }
}

const span = (bin) => `${(100 * bin) / BINS}–${(100 * (bin + 1)) / BINS}%`;

// Chinese letters are about twice as wide as Latin ones.
const wide = (words) => [...words].reduce((sum, letter) => sum + (letter > "\u2e80" ? 1.9 : 1), 0);

function clipped(words, room) {
  let kept = [...words];
  if (LETTER * wide(words) <= room) return words;
  while (kept.length > 1 && LETTER * (wide(kept.join("")) + 1) > room) kept = kept.slice(0, -1);
  return `${kept.join("")}…`;
}

// A panel with a drawing and the same numbers as a table, for who cannot see it or wants them.
function figure(id, title) {
  const heading = el("h2", { id }, title);
  const paper = el("div", { className: "paper" });
  const table = el("table", {});
  const details = el("details", {}, el("summary", {}, t("As a table")), table);
  const node = el("section", { className: "panel plot", "aria-labelledby": id }, heading, paper, details);
  const fill = (drawn, width, height, head, rows) => {
    const told = rows.map(([words, n]) => `${words}: ${n}`).join("; ");
    const attributes = { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-labelledby": `${id}-title ${id}-told` };
    paper.replaceChildren(
      shape("svg", attributes, shape("title", { id: `${id}-title` }, title), shape("desc", { id: `${id}-told` }, told), ...drawn),
    );
    table.replaceChildren(
      el("thead", {}, el("tr", {}, ...head.map((words, i) => el("th", { scope: "col", className: i ? "number" : "" }, words)))),
      el("tbody", {}, ...rows.map(([words, n]) => el("tr", {}, el("th", { scope: "row" }, words), el("td", { className: "number" }, n)))),
    );
  };
  return { node, paper, fill };
}
