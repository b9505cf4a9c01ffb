// The boxes over the photo, as SVG in the photo's own pixels, and their tags in letters of one size.

import { el } from "../shared/dom.js";
import { t } from "../shared/i18n.js";
import { shownLabel } from "./answer.js";
import { colorOf } from "./color.js";
import { describe } from "./lists.js";
import { reachable } from "./reach.js";
import { place } from "./tags.js";

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export class Overlay {
  /** `size`: width and height of the upright photo in pixels, in which boxes are given. */
  constructor(scene, size, onReach) {
    this.scene = scene;
    this.size = size;
    this.boxes = scene.objects.map((object) => this.box(object));
    this.tags = scene.objects.map((object) => tag(object));
    this.svg = svg("svg", {
      class: "view-boxes",
      viewBox: `0 0 ${size.width} ${size.height}`,
      preserveAspectRatio: "none",
      // Listening for the focus of its boxes would make it a stop of the Tab key itself.
      tabindex: "-1",
      "aria-label": t("Objects in the photo"),
    });
    // The small ones on top, or a large one around them would take every click.
    const area = ({ box }) => (box.x2 - box.x1) * (box.y2 - box.y1);
    const order = [...this.boxes.keys()].sort(
      (a, b) => area(scene.objects[b]) - area(scene.objects[a]),
    );
    this.svg.append(...order.map((index) => this.boxes[index]));
    this.layer = el("div", { className: "view-tags", "aria-hidden": "true" }, ...this.tags);
    reachable(this.svg, this.boxes, scene, onReach);
    scene.on("shown", () => this.show());
    scene.on("lit", () => this.light());
    this.show();
  }

  /** The part of the photo that object `index` takes, each edge 0..1. */
  part(index) {
    const { x1, y1, x2, y2 } = this.scene.objects[index].box;
    const { width, height } = this.size;
    return { x1: x1 / width, y1: y1 / height, x2: x2 / width, y2: y2 / height };
  }

  box({ label, score, box }) {
    const { width, height } = this.size;
    const [x1, x2] = [box.x1, box.x2].map((x) => Math.min(width, Math.max(0, x)));
    const [y1, y2] = [box.y1, box.y2].map((y) => Math.min(height, Math.max(0, y)));
    const place = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
    const node = svg(
      "g",
      { class: "view-box", "aria-label": describe({ label, score, box }) },
      svg("rect", { class: "view-halo", ...place }),
      svg("rect", { class: "view-line", ...place }),
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
    // A list box without an option is a riddle to a screen reader.
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
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      const { clientWidth: width, clientHeight: height } = this.layer;
      if (width) place(this.tags, this.scene, this.size, { width, height });
    });
  }
}

function tag({ label, score }) {
  const { ground, ink } = colorOf(label);
  const node = el(
    "span",
    { className: "view-tag crowded" }, // until it has its place
    el("span", { className: "view-tag-label", dir: "auto" }, shownLabel(label)),
    el("span", { className: "view-tag-score" }, `${Math.round(100 * score)}%`),
  );
  node.style.background = ground;
  node.style.color = ink;
  return node;
}
