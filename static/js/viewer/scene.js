// Which objects are shown, and which one is pointed at: the one truth of picture, list and legend.

export class Scene {
  /**
   * `objects`: [{label, score, box}], best first. `threshold`: least score shown, 0..1.
   * `shown[i]` says whether object `i` is, `lit` is the index pointed at or null, and `isLit(i)`
   * says whether object `i` is pointed at, by itself or with all of its label.
   */
  constructor(objects, threshold) {
    this.objects = objects;
    this.threshold = threshold;
    this.muted = new Set(); // labels switched off
    this.shown = objects.map(() => true);
    this.hovered = null;
    this.focused = null;
    this.chosen = null;
    this.lit = null;
    this.hinted = null; // the label pointed at in the legend
    this.listeners = { shown: [], lit: [], chosen: [] };
    this.select();
  }

  /** Call `listener` whenever what is `shown`, `lit` or `chosen` has changed. */
  on(what, listener) {
    this.listeners[what].push(listener);
  }

  tell(what) {
    for (const listener of this.listeners[what]) listener();
  }

  setThreshold(threshold) {
    this.threshold = threshold;
    this.select();
  }

  toggle(label) {
    if (!this.muted.delete(label)) this.muted.add(label);
    this.select();
  }

  /** Show every label, or none. */
  setAll(visible) {
    this.muted = new Set(visible ? [] : this.objects.map(({ label }) => label));
    this.select();
  }

  /** Whether an object is certain enough, whatever its label. */
  reaches({ score }) {
    // A slider moves in steps of a hundredth; thousandths must not decide.
    return score >= this.threshold - 1e-6;
  }

  select() {
    this.shown = this.objects.map((each) => this.reaches(each) && !this.muted.has(each.label));
    if (this.chosen !== null && !this.shown[this.chosen]) this.choose(null);
    this.light();
    this.tell("shown");
  }

  get shownCount() {
    return this.shown.filter(Boolean).length;
  }

  hover(index) {
    this.hovered = index;
    this.light();
  }

  focus(index) {
    this.focused = index;
    this.light();
  }

  /** Keep `index` lit when nothing else is pointed at; null lets go. */
  choose(index) {
    this.chosen = index;
    this.tell("chosen");
    this.light();
  }

  /** Point at all objects of `label`; null lets go. */
  hint(label) {
    this.hinted = label;
    this.tell("lit");
  }

  isLit(index) {
    if (this.lit !== null) return index === this.lit;
    return this.shown[index] && this.objects[index].label === this.hinted;
  }

  light() {
    const wanted = [this.hovered, this.focused, this.chosen];
    const lit = wanted.find((index) => index !== null && this.shown[index]) ?? null;
    if (lit === this.lit) return;
    this.lit = lit;
    this.tell("lit");
  }

  /** The shown object `step` places after `index`, none beyond the first and the last. */
  next(index, step) {
    for (let i = index + step; i >= 0 && i < this.shown.length; i += step) {
      if (this.shown[i]) return i;
    }
    return index;
  }
}
