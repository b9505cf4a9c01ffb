// Two drawings of a batch: how often each label came, and how the scores are spread.

/** @import { Item } from "./rows.js" */

import { number, t, tn } from "../../shared/i18n.js";
import { draws } from "../../shared/kinds.js";
import { labelText } from "../../viewer/answer.js";
import { countsOf, labelsOf } from "./rows.js";
import { clip, Figure, shape, widthOf } from "./svg.js";

const LABELS = 10; // with bars of their own
const BAR = 30; // px from one bar to the next
const BINS = 20; // of five percent each
const TALL = 190; // px of the histogram
const FOOT = 22; // px below its bars

export class Plots {
  /**
   * @param {HTMLElement} box is filled with two figures, which follow its width
   * @param {string} kind
   */
  constructor(box, kind) {
    this.kind = kind;
    const [labels, scores] = draws(kind)
      ? [t("Objects per label"), t("Best score per label")]
      : [t("Photos per label"), t("Score of the best label")];
    this.labels = new Figure("plot-labels", labels);
    this.scores = new Figure("plot-scores", scores);
    box.replaceChildren(this.labels.node, this.scores.node);
    this.box = box;
    /** @type {Item[]} */
    this.items = [];
    this.width = 0;
    new ResizeObserver(() => this.resized()).observe(box);
  }

  resized() {
    const width = this.labels.paper.clientWidth;
    if (width && width !== this.width) this.show(this.items);
  }

  /**
   * Draw the items; the figures are hidden while there is nothing to draw.
   *
   * @param {Item[]} items
   */
  show(items) {
    this.items = items;
    const counts = countsOf(this.kind, items);
    this.box.hidden = counts.length === 0;
    this.width = this.labels.paper.clientWidth;
    if (this.box.hidden || !this.width) return;
    this.drawLabels(counts);
    this.drawScores(items.flatMap((item) => labelsOf(this.kind, item).map(({ score }) => score)));
  }

  /** @param {[string, number][]} counts */
  drawLabels(counts) {
    const rest = counts.slice(LABELS).reduce((sum, [, n]) => sum + n, 0);
    const bars = counts.slice(0, LABELS).map(([label, n]) => ({ words: labelText(label), n, look: "" }));
    if (rest) {
      const words = tn(counts.length - LABELS, "{n} other label", "{n} other labels");
      bars.push({ words, n: rest, look: "rest" });
    }
    const most = Math.max(...bars.map(({ n }) => n));
    const widest = Math.max(...bars.map(({ words }) => widthOf(words)));
    const left = Math.min(this.width * 0.4, 12 + widest);
    const room = Math.max(20, this.width - left - 16 - widthOf(number(most)));
    const shapes = bars.flatMap(({ words, n, look }, i) => {
      const y = i * BAR;
      const width = Math.max(2, (room * n) / most);
      const label = { class: "plot-label", x: left - 10, y: y + 19, "text-anchor": "end" };
      const bar = { class: `plot-bar ${look}`, x: left, y: y + 5, width, height: BAR - 10, rx: 4 };
      return [
        shape("text", label, clip(words, left - 10)),
        shape("rect", bar),
        shape("text", { class: "plot-number", x: left + width + 8, y: y + 19 }, number(n)),
      ];
    });
    /** @type {[string, string][]} */
    const rows = bars.map(({ words, n }) => [words, number(n)]);
    const size = { width: this.width, height: bars.length * BAR };
    this.labels.fill(shapes, size, [t("Label"), t("Number")], rows);
  }

  /** @param {number[]} scores */
  drawScores(scores) {
    const bins = Array.from({ length: BINS }, () => 0);
    for (const score of scores) bins[Math.max(0, Math.min(BINS - 1, Math.floor(score * BINS)))] += 1;
    const most = Math.max(1, ...bins);
    const step = this.width / BINS;
    const top = 18;
    const room = TALL - top - FOOT;
    const shapes = bins.flatMap((n, i) => {
      if (!n) return [];
      const height = Math.max(2, (room * n) / most);
      const y = top + room - height;
      const bar = { class: "plot-bar", x: i * step + 1, y, width: step - 2, height, rx: 3 };
      return [shape("rect", bar, shape("title", {}, `${span(i)}: ${number(n)}`))];
    });
    const middle = (bins.indexOf(most) + 0.5) * step;
    const tallest = { class: "plot-number", x: middle, y: top - 5, "text-anchor": "middle" };
    const base = top + room + 0.5;
    shapes.push(
      shape("text", tallest, number(most)),
      shape("line", { class: "plot-axis", x1: 0, x2: this.width, y1: base, y2: base }),
    );
    const anchors = ["start", "middle", "end"];
    for (const [i, anchor] of anchors.entries()) {
      const place = { class: "plot-tick", x: (i / 2) * this.width, y: TALL - 5, "text-anchor": anchor };
      shapes.push(shape("text", place, `${50 * i}%`));
    }
    /** @type {[string, string][]} */
    const rows = bins.map((n, i) => [span(i), number(n)]);
    const size = { width: this.width, height: TALL };
    this.scores.fill(shapes, size, [t("Score"), t("Number")], rows.filter((_, i) => bins[i]));
  }
}

const span = (/** @type {number} */ bin) => `${(100 * bin) / BINS}–${(100 * (bin + 1)) / BINS}%`;
