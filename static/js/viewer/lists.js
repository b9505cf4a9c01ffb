// What was found in words: a legend that filters by label, and a row for each object.

import { el } from "../shared/dom.js";
import { number, percent, t } from "../shared/i18n.js";
import { shownLabel } from "./answer.js";
import { colorOf } from "./color.js";
import { reachable } from "./reach.js";

const words = (label) => el("span", { className: "label", dir: "auto", title: label }, shownLabel(label));

function dot(label) {
  const node = el("span", { className: "view-dot", "aria-hidden": "true" });
  node.style.setProperty("--label", colorOf(label).ground);
  return node;
}

function position({ x1, y1, x2, y2 }) {
  return t("left {left}, top {top}, {width} × {height} px", {
    left: number(x1, 0),
    top: number(y1, 0),
    width: number(x2 - x1, 0),
    height: number(y2 - y1, 0),
  });
}

/** An object in one sentence: label, score, place in the photo. */
export function describe({ label, score, box }) {
  return `${shownLabel(label)}, ${percent(score)}, ${position(box)}`;
}

/** A row for each object; `onReach(index)` is called when the reader gets to one. */
export class Rows {
  constructor(scene, onReach) {
    this.scene = scene;
    this.rows = scene.objects.map((object) => row(object));
    this.node = el("ul", { className: "view-rows", "aria-label": t("Objects") }, ...this.rows);
    reachable(this.node, this.rows, scene, (index) => {
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

  /** Scroll the list, and never the page, to row `index`. */
  reveal(index) {
    const { offsetTop, offsetHeight } = this.rows[index];
    const { scrollTop, clientHeight } = this.node;
    if (offsetTop < scrollTop) this.node.scrollTop = offsetTop;
    const end = offsetTop + offsetHeight;
    if (end > scrollTop + clientHeight) this.node.scrollTop = end - clientHeight;
  }
}

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
 * A button for each label: its colour, how many are certain enough, and whether it is shown.
 * `used()` is called when the reader presses one.
 */
export function legend(scene, labels, used) {
  const chips = labels.map(({ label }) => {
    const amount = el("b", { className: "number" });
    const node = el("button", { type: "button", className: "view-chip" }, dot(label), words(label), amount);
    node.addEventListener("click", () => {
      scene.toggle(label);
      used();
    });
    for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => scene.hint(label));
    for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => scene.hint(null));
    return { label, node, amount };
  });
  const all = el("button", { type: "button", className: "view-all" });
  all.addEventListener("click", () => {
    scene.setAll(scene.muted.size > 0);
    used();
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
    { className: "view-legend", role: "group", "aria-label": t("Labels shown") },
    ...chips.map(({ node }) => node),
    all,
  );
}
