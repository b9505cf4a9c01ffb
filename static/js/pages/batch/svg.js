// Panels with an SVG drawing and the same numbers as a table.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

const SVG = "http://www.w3.org/2000/svg";
const LETTER = 7.2; // px, the mean width of one at the size of the labels

/**
 * Make an SVG element.
 *
 * @param {string} name
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 */
export function shape(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  node.append(...children);
  return node;
}

/**
 * Estimate the width of a label in pixels. Chinese letters are about twice as wide as Latin ones.
 *
 * @param {string} words
 */
export function widthOf(words) {
  return LETTER * [...words].reduce((sum, letter) => sum + (letter > "\u2e80" ? 1.9 : 1), 0);
}

/**
 * Shorten a label to `room` pixels.
 *
 * @param {string} words
 * @param {number} room
 */
export function clip(words, room) {
  let letters = [...words];
  if (widthOf(words) <= room) return words;
  while (letters.length > 1 && widthOf(letters.join("")) + LETTER > room) letters = letters.slice(0, -1);
  return `${letters.join("")}…`;
}

/** A panel with a drawing and its numbers as a table, for people who cannot see it or need them. */
export class Figure {
  /**
   * @param {string} id
   * @param {string} title
   */
  constructor(id, title) {
    this.id = id;
    this.title = title;
    this.paper = el("div", { className: "paper" });
    this.table = el("table", {});
    const details = el("details", {}, el("summary", {}, t("Show as table")), this.table);
    const props = { className: "panel plot", "aria-labelledby": id };
    this.node = el("section", props, el("h2", { id }, title), this.paper, details);
  }

  /**
   * Show `shapes` in a drawing of `width` x `height` pixels, and `rows` in the table.
   *
   * @param {Node[]} shapes
   * @param {{ width: number, height: number }} size
   * @param {string[]} head
   * @param {[string, string][]} rows
   */
  fill(shapes, { width, height }, head, rows) {
    const { id } = this;
    const description = rows.map(([words, n]) => `${words}: ${n}`).join("; ");
    const attributes = {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      role: "img",
      "aria-labelledby": `${id}-title ${id}-told`,
    };
    const title = shape("title", { id: `${id}-title` }, this.title);
    const words = shape("desc", { id: `${id}-told` }, description);
    this.paper.replaceChildren(shape("svg", attributes, title, words, ...shapes));
    const heads = head.map((text, i) => el("th", { scope: "col", className: i ? "number" : "" }, text));
    const cells = rows.map(([text, n]) =>
      el("tr", {}, el("th", { scope: "row" }, text), el("td", { className: "number" }, n)),
    );
    this.table.replaceChildren(el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...cells));
  }
}
