// The boxes over the photo, as SVG in the photo's own pixels, and their tags in letters of one size.

/** @import { Detection } from "./answer.js" */
/** @import { Scene } from "./scene.js" */
/** @import { Size } from "./tags.js" */

import { el } from "../shared/dom.js";
import { t, wholePercent } from "../shared/i18n.js";
import { labelText } from "./answer.js";
import { colorOf } from "./color.js";
import { describe } from "./lists.js";
import { listbox } from "./listbox.js";
import { place } from "./tags.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 */
function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export class Overlay {
  /**
   * @param {Scene} scene
   * @param {Size} size of the upright photo in pixels, the unit of the boxes
   * @param {(index: number) => void} onReach called when the reader gets to an object
   */
  constructor(scene, size, onReach) {
    this.scene = scene;
    this.size = size;
    /** @type {number | undefined} */
    this.frame = undefined;
    this.boxes = scene.objects.map((object) => this.box(object));
    this.tags = scene.objects.map((object) => makeTag(object));
    this.svg = svg("svg", {
      class: "view-boxes",
      viewBox: `0 0 ${size.width} ${size.height}`,
      preserveAspectRatio: "none",
      // Listening for the focus of its boxes would make it a stop of the Tab key itself.
      tabindex: "-1",
      "aria-label": t("Objects in the photo"),
    });
    // The small ones on top, or a large one around them would take every click.
    const area = (/** @type {Detection} */ { box }) => (box.x2 - box.x1) * (box.y2 - box.y1);
    const order = [...this.boxes.keys()].sort(
      (a, b) => area(scene.objects[b]) - area(scene.objects[a]),
    );
    this.svg.append(...order.map((index) => this.boxes[index]));
    this.layer = el("div", { className: "view-tags", "aria-hidden": "true" }, ...this.tags);
    listbox(this.svg, this.boxes, scene, onReach);
    scene.on("shown", () => this.show());
    scene.on("lit", () => this.light());
    this.show();
  }

  /**
   * Find the part of the photo that object `index` takes, each edge 0..1.
   *
   * @param {number} index
   */
  part(index) {
    const { x1, y1, x2, y2 } = this.scene.objects[index].box;
    const { width, height } = this.size;
    return { x1: x1 / width, y1: y1 / height, x2: x2 / width, y2: y2 / height };
  }

  /** @param {Detection} object */
  box({ label, score, box }) {
    const { width, height } = this.size;
    const [x1, x2] = [box.x1, box.x2].map((x) => Math.min(width, Math.max(0, x)));
    const [y1, y2] = [box.y1, box.y2].map((y) => Math.min(height, Math.max(0, y)));
    const edges = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
    const node = svg(
      "g",
      { class: "view-box", "aria-label": describe({ label, score, box }) },
      svg("rect", { class: "view-halo", ...edges }),
      svg("rect", { class: "view-line", ...edges }),
    );
    node.style.setProperty("--label", colorOf(label).ground);
    return node;
  }

  show() {
    const { shown, shownCount } = this.scene;
    shown.forEach((visible, index) => {
      this.boxes[index].classList.toggle("away", !visible);
      this.tags[index].classList.toggle("away", !visible);
    });
    // A screen reader cannot make sense of a list box without an option.
    if (shownCount) this.svg.removeAttribute("aria-hidden");
    else this.svg.setAttribute("aria-hidden", "true");
    this.arrange();
  }

  light() {
    const { scene } = this;
    const lit = this.boxes.map((_, index) => scene.isLit(index));
    for (const layer of [this.svg, this.layer]) layer.classList.toggle("dimmed", lit.includes(true));
    this.boxes.forEach((box, index) => box.classList.toggle("lit", lit[index]));
    this.tags.forEach((tag, index) => {
      tag.classList.toggle("bright", lit[index]);
      // In front of all others, which is good for one at a time.
      tag.classList.toggle("lit", index === scene.lit);
    });
  }

  /** Put the tags to their boxes, once before the next picture of the screen. */
  arrange() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      const { clientWidth: width, clientHeight: height } = this.layer;
      if (width) place(this.tags, this.scene, this.size, { width, height });
    });
  }
}

/** @param {Detection} object */
function makeTag({ label, score }) {
  const { ground, ink } = colorOf(label);
  const node = el(
    "span",
    { className: "view-tag crowded" }, // until it has its place
    el("span", { className: "view-tag-label", dir: "auto" }, labelText(label)),
    el("span", { className: "view-tag-score" }, wholePercent(score)),
  );
  node.style.background = ground;
  node.style.color = ink;
  return node;
}
