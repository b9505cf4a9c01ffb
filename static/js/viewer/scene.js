// Which objects are visible, and which one is pointed at: the state of picture, list and legend.

/** @import { Detection } from "./answer.js" */

/** @typedef {"shown" | "lit" | "chosen"} Topic */

export class Scene {
  /**
   * `shown[i]` says whether object `i` is visible, `lit` is the index pointed at or null, and
   * `isLit(i)` says whether object `i` is pointed at, by itself or with all of its label.
   *
   * @param {Detection[]} objects best first
   * @param {number} threshold lowest score that is visible, 0..1
   */
  constructor(objects, threshold) {
    this.objects = objects;
    this.threshold = threshold;
    /** @type {Set<string>} */
    this.muted = new Set(); // labels switched off
    this.shown = objects.map(() => true);
    /** @type {number | null} */
    this.hovered = null;
    /** @type {number | null} */
    this.focused = null;
    /** @type {number | null} */
    this.chosen = null;
    /** @type {number | null} */
    this.lit = null;
    /** @type {string | null} */
    this.hinted = null; // the label pointed at in the legend
    /** @type {Record<Topic, (() => void)[]>} */
    this.listeners = { shown: [], lit: [], chosen: [] };
    this.select();
  }

  /**
   * Call `listener` after each change of what is `shown`, `lit` or `chosen`.
   *
   * @param {Topic} topic
   * @param {() => void} listener
   */
  on(topic, listener) {
    this.listeners[topic].push(listener);
  }

  /** @param {Topic} topic */
  notify(topic) {
    for (const listener of this.listeners[topic]) listener();
  }

  /** @param {number} threshold */
  setThreshold(threshold) {
    this.threshold = threshold;
    this.select();
  }

  /** @param {string} label */
  toggle(label) {
    if (!this.muted.delete(label)) this.muted.add(label);
    this.select();
  }

  /**
   * Show every label, or none.
   *
   * @param {boolean} visible
   */
  setAll(visible) {
    this.muted = new Set(visible ? [] : this.objects.map(({ label }) => label));
    this.select();
  }

  /**
   * Whether an object reaches the threshold, whatever its label.
   *
   * @param {Detection} object
   */
  reaches({ score }) {
    // A slider moves in steps of a hundredth; thousandths must not decide.
    return score >= this.threshold - 1e-6;
  }

  select() {
    this.shown = this.objects.map((each) => this.reaches(each) && !this.muted.has(each.label));
    if (this.chosen !== null && !this.shown[this.chosen]) this.choose(null);
    this.light();
    this.notify("shown");
  }

  get shownCount() {
    return this.shown.filter(Boolean).length;
  }

  /** @param {number | null} index */
  hover(index) {
    this.hovered = index;
    this.light();
  }

  /** @param {number | null} index */
  focus(index) {
    this.focused = index;
    this.light();
  }

  /**
   * Keep `index` lit when nothing else is pointed at; null lets go.
   *
   * @param {number | null} index
   */
  choose(index) {
    this.chosen = index;
    this.notify("chosen");
    this.light();
  }

  /**
   * Point at all objects of `label`; null lets go.
   *
   * @param {string | null} label
   */
  hint(label) {
    this.hinted = label;
    this.notify("lit");
  }

  /** @param {number} index */
  isLit(index) {
    if (this.lit !== null) return index === this.lit;
    return this.shown[index] && this.objects[index].label === this.hinted;
  }

  light() {
    const candidates = [this.hovered, this.focused, this.chosen];
    const lit = candidates.find((index) => index !== null && this.shown[index]) ?? null;
    if (lit === this.lit) return;
    this.lit = lit;
    this.notify("lit");
  }

  /**
   * Find the visible object `step` places after `index`, none beyond the first and the last.
   *
   * @param {number} index
   * @param {number} step
   */
  next(index, step) {
    for (let i = index + step; i >= 0 && i < this.shown.length; i += step) {
      if (this.shown[i]) return i;
    }
    return index;
  }
}
