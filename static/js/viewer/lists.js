// The objects in words: a legend that filters by label, and a row for each object.

/** @import { Box, Detection } from "./answer.js" */
/** @import { Scene } from "./scene.js" */

import { el } from "../shared/dom.js";
import { number, percent, t } from "../shared/i18n.js";
import { labelText } from "./answer.js";
import { colorOf } from "./color.js";
import { listbox } from "./listbox.js";

/** @param {string} label */
const words = (label) =>
  el("span", { className: "label", dir: "auto", title: label }, labelText(label));

/** @param {string} label */
function dot(label) {
  const node = el("span", { className: "view-dot", "aria-hidden": "true" });
  node.style.setProperty("--label", colorOf(label).ground);
  return node;
}

/** @param {Box} box */
function position({ x1, y1, x2, y2 }) {
  return t("left {left}, top {top}, {width} × {height} px", {
    left: number(x1, 0),
    top: number(y1, 0),
    width: number(x2 - x1, 0),
    height: number(y2 - y1, 0),
  });
}

/**
 * Describe an object in one sentence: label, score, place in the photo.
 *
 * @param {Detection} object
 */
export function describe({ label, score, box }) {
  return `${labelText(label)}, ${percent(score)}, ${position(box)}`;
}

/** A row for each object. */
export class Rows {
  /**
   * @param {Scene} scene
   * @param {(index: number) => void} onReach called when the reader gets to an object
   */
  constructor(scene, onReach) {
    this.scene = scene;
    this.rows = scene.objects.map((object) => row(object));
    this.node = el("ul", { className: "view-rows", "aria-label": t("Objects") }, ...this.rows);
    listbox(this.node, this.rows, scene, (index) => {
      this.reveal(index);
      onReach(index);
    });
    scene.on("shown", () => this.show());
    scene.on("lit", () => this.light());
    this.show();
  }

  show() {
    this.scene.shown.forEach((visible, index) => (this.rows[index].hidden = !visible));
    this.node.hidden = this.scene.shownCount === 0;
  }

  light() {
    this.rows.forEach((node, index) => node.classList.toggle("lit", index === this.scene.lit));
  }

  /**
   * Scroll the list, and never the page, to row `index`.
   *
   * @param {number} index
   */
  reveal(index) {
    const { offsetTop, offsetHeight } = this.rows[index];
    const { scrollTop, clientHeight } = this.node;
    if (offsetTop < scrollTop) this.node.scrollTop = offsetTop;
    const end = offsetTop + offsetHeight;
    if (end > scrollTop + clientHeight) this.node.scrollTop = end - clientHeight;
  }
}

/** @param {Detection} object */
function row({ label, score, box }) {
  return el(
    "li",
    { className: "view-row" },
    dot(label),
    words(label),
    el("span", { className: "percent" }, percent(score)),
    el("span", { className: "view-position" }, position(box)),
  );
}

/**
 * Make a button for each label: its colour, how many reach the threshold, and whether it is visible.
 *
 * @param {Scene} scene
 * @param {{ label: string }[]} labels
 * @param {() => void} onUse called when the reader presses a button
 */
export function legend(scene, labels, onUse) {
  const chips = labels.map(({ label }) => {
    const amount = el("b", { className: "number" });
    const node = el("button", { type: "button", className: "view-chip" }, dot(label), words(label), amount);
    node.addEventListener("click", () => {
      scene.toggle(label);
      onUse();
    });
    for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => scene.hint(label));
    for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => scene.hint(null));
    return { label, node, amount };
  });
  const all = el("button", { type: "button", className: "view-all" });
  all.addEventListener("click", () => {
    scene.setAll(scene.muted.size > 0);
    onUse();
  });
  const update = () => {
    const counts = new Map();
    for (const object of scene.objects) {
      if (scene.reaches(object)) counts.set(object.label, (counts.get(object.label) ?? 0) + 1);
    }
    for (const { label, node, amount } of chips) {
      amount.textContent = number(counts.get(label) ?? 0);
      node.setAttribute("aria-pressed", String(!scene.muted.has(label)));
    }
    all.textContent = scene.muted.size > 0 ? t("Show all labels") : t("Hide all labels");
    all.hidden = labels.length < 2;
  };
  scene.on("shown", update);
  update();
  return el(
    "div",
    { className: "view-legend", role: "group", "aria-label": t("Visible labels") },
    ...chips.map(({ node }) => node),
    all,
  );
}
