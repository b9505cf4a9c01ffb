// A pad to draw digits on: one in the middle for a classifier, a whole line for a detector.

/** @import { Photo } from "./photo.js" */
/** @import { Workspace } from "./workspace.js" */

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { draws } from "../../shared/kinds.js";
import { Ink } from "./ink.js";

const PAUSE = 400; // ms after the pen was lifted
const STEP = 0.04; // of the pad's width, for one press of an arrow key
/** @type {Record<string, [number, number]>} */
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class Pad {
  /** @param {Workspace} workspace gets the drawing, one photo until the pad is cleared */
  constructor(workspace) {
    this.workspace = workspace;
    this.single = !draws(workspace.kind);
    this.ink = new Ink(this.single);
    /** @type {Photo | null} */
    this.photo = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.pen = { x: 0.5, y: 0.5, down: false }; // of the keyboard, in parts of the pad
    const { canvas } = this.ink;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute(
      "aria-label",
      t("Drawing pad. The arrow keys move the pen, the space bar puts it down and lifts it."),
    );
    this.undo = el("button", { type: "button", className: "button" }, t("Undo"));
    this.clear = el("button", { type: "button", className: "button" }, t("Clear"));
    this.words = el("span", { className: "tool-words" }, this.invitation);
    const tools = el("p", { className: "pad-tools" }, this.words, this.undo, this.clear);
    this.box = el("div", { className: this.single ? "pad" : "pad wide" }, canvas, tools);
    this.undo.addEventListener("click", () => this.undoStroke());
    this.clear.addEventListener("click", () => this.begin());
    this.listen(canvas);
    this.buttons();
  }

  get invitation() {
    return this.single ? t("Draw one large digit.") : t("Write some digits.");
  }

  get hint() {
    return t("Draw on the pad. The result appears here when you lift the pen.");
  }

  open() {
    this.ink.draw();
  }

  close() {
    clearTimeout(this.timer);
  }

  /** @param {HTMLCanvasElement} canvas */
  listen(canvas) {
    /** @type {number | null} */
    let pointer = null; // whose stroke it is: a second finger is no pen
    const point = (/** @type {PointerEvent} */ event) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      this.ink.add((event.clientX - left) / width, (event.clientY - top) / height);
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (pointer !== null || event.button !== 0) return;
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      clearTimeout(this.timer);
      this.ink.start();
      point(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== pointer) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length > 0 ? events : [event]) point(each);
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      this.onLift();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.ink.cursor(null);
      if (this.pen.down) this.putDown(false);
    });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) this.undoStroke();
    else if (event.key === " ") this.putDown(!this.pen.down);
    else if (event.key in ARROWS) this.move(...ARROWS[event.key]);
    else return;
    event.preventDefault();
    this.ink.cursor(this.pen);
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  move(dx, dy) {
    const within = (/** @type {number} */ value) => Math.min(0.97, Math.max(0.03, value));
    this.pen.x = within(this.pen.x + dx * STEP);
    this.pen.y = within(this.pen.y + dy * STEP * this.ink.ratio);
    if (this.pen.down) this.ink.add(this.pen.x, this.pen.y);
  }

  /** @param {boolean} down */
  putDown(down) {
    this.pen.down = down;
    if (!down) {
      this.onLift();
      return;
    }
    clearTimeout(this.timer);
    this.ink.start();
    this.ink.add(this.pen.x, this.pen.y);
  }

  onLift() {
    this.buttons();
    clearTimeout(this.timer);
    if (!this.ink.empty) this.timer = setTimeout(() => this.send(), PAUSE);
  }

  async send() {
    const { photo, ink } = this;
    const blob = await ink.picture();
    if (this.photo !== photo) return; // cleared meanwhile
    const { workspace } = this;
    if (photo && workspace.photos.includes(photo)) {
      workspace.redo(photo, new File([blob], photo.name, { type: "image/png" }));
      return;
    }
    const name = workspace.unusedName("drawing", "png");
    const [drawing] = workspace.take([new File([blob], name, { type: "image/png" })]);
    drawing.isDrawing = true;
    this.photo = drawing;
    workspace.choose(drawing);
    workspace.start([drawing]);
  }

  /**
   * Say the answer to this drawing where the hand is.
   *
   * @param {Photo} photo
   */
  showAnswer(photo) {
    if (photo !== this.photo || !photo.over) return;
    this.words.textContent = photo.line(this.workspace.limits);
    this.words.classList.add("answer");
  }

  undoStroke() {
    this.ink.undo();
    this.onLift();
  }

  /** An empty pad, for another drawing. */
  begin() {
    clearTimeout(this.timer);
    this.photo = null;
    this.pen.down = false;
    this.ink.clear();
    this.words.textContent = this.invitation;
    this.words.classList.remove("answer");
    this.buttons();
  }

  buttons() {
    const { empty } = this.ink;
    // The one that has the focus must not lose it.
    for (const button of [this.undo, this.clear]) {
      button.setAttribute("aria-disabled", String(empty));
    }
  }
}
