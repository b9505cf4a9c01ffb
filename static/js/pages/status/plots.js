// The minute under the pointer or the arrow keys: a line in both charts, its numbers in words.

import { find, findAll, setText } from "../../shared/dom.js";

export class Plots {
  /** @param {HTMLElement} node holds a queue's charts and a hidden list with a sentence a minute */
  constructor(node) {
    this.node = node;
    this.readout = find(".readout", node.parentElement ?? document);
    /** @type {number | null} */
    this.minute = null;
    const slider = { role: "slider", tabindex: "0", "aria-valuemin": "0" };
    for (const [name, value] of Object.entries(slider)) node.setAttribute(name, value);
    node.setAttribute("aria-label", node.dataset.label ?? "");
    node.setAttribute("aria-valuemax", String(this.last));
    node.addEventListener("pointermove", (event) => this.show(this.at(event.clientX)));
    node.addEventListener("pointerdown", (event) => this.show(this.at(event.clientX)));
    node.addEventListener("pointerleave", () => this.show(null));
    node.addEventListener("focus", () => this.show(this.minute ?? this.last));
    node.addEventListener("blur", () => this.show(null));
    node.addEventListener("keydown", (event) => this.key(event));
  }

  get sentences() {
    return this.node.querySelectorAll(".says li");
  }

  get last() {
    return this.sentences.length - 1;
  }

  /** @param {number} x of the pointer */
  at(x) {
    const box = find(".plot svg", this.node, SVGElement).getBoundingClientRect();
    return Math.max(0, Math.min(this.last, Math.floor(((x - box.left) / box.width) * (this.last + 1))));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const from = this.minute ?? this.last;
    /** @type {Record<string, number>} */
    const targets = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - 10,
      PageUp: from + 10,
      Home: 0,
      End: this.last,
    };
    const to = targets[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.show(Math.max(0, Math.min(this.last, to)));
  }

  /** @param {number | null} minute */
  show(minute) {
    this.minute = minute;
    for (const line of findAll(".cursor", this.node, SVGElement)) {
      const x = minute === null ? "-9" : String(minute + 0.5);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.classList.toggle("seen", minute !== null);
    }
    this.showSentence();
  }

  /** Show the numbers of the minute again: they may have changed. */
  showSentence() {
    const sentence = this.sentences[this.minute ?? this.last].textContent ?? "";
    this.readout.hidden = false;
    setText(this.readout, sentence);
    this.node.setAttribute("aria-valuenow", String(this.minute ?? this.last));
    this.node.setAttribute("aria-valuetext", sentence);
  }
}
