// The minute under the pointer or the arrow keys: a line in both charts, its numbers in words.

export class Plots {
  /** `node` holds the charts of one queue and a hidden list with a sentence for each minute. */
  constructor(node) {
    this.node = node;
    this.readout = node.parentElement.querySelector(".readout");
    this.minute = null;
    const slider = { role: "slider", tabindex: "0", "aria-valuemin": "0" };
    for (const [name, value] of Object.entries(slider)) node.setAttribute(name, value);
    node.setAttribute("aria-label", node.dataset.label);
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

  at(x) {
    const box = this.node.querySelector(".plot svg").getBoundingClientRect();
    return Math.max(0, Math.min(this.last, Math.floor(((x - box.left) / box.width) * (this.last + 1))));
  }

  key(event) {
    const from = this.minute ?? this.last;
    const to = {
      ArrowLeft: from - 1,
      ArrowDown: from - 1,
      ArrowRight: from + 1,
      ArrowUp: from + 1,
      PageDown: from - 10,
      PageUp: from + 10,
      Home: 0,
      End: this.last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.show(Math.max(0, Math.min(this.last, to)));
  }

  show(minute) {
    this.minute = minute;
    for (const line of this.node.querySelectorAll(".cursor")) {
      const x = minute === null ? "-9" : String(minute + 0.5);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.classList.toggle("seen", minute !== null);
    }
    this.say();
  }

  /** Say the numbers of the minute again: they may have changed. */
  say() {
    const sentence = this.sentences[this.minute ?? this.last].textContent;
    this.readout.hidden = false;
    if (this.readout.textContent !== sentence) this.readout.textContent = sentence;
    this.node.setAttribute("aria-valuenow", String(this.minute ?? this.last));
    this.node.setAttribute("aria-valuetext", sentence);
  }
}
