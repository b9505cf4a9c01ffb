// The photo on its stage: live boxes, the annotated picture or the photo alone, near or far.

/** @import { Overlay } from "./overlay.js" */
/** @import { Size } from "./tags.js" */

/** @typedef {"boxes" | "drawn" | "photo"} Mode */

import { el } from "../shared/dom.js";
import { t } from "../shared/i18n.js";
import { Zoom } from "./zoom.js";

export class Stage {
  /**
   * @param {object} options
   * @param {string} options.picture address of the photo, or ""
   * @param {string} options.annotated address of the annotated picture, or ""
   * @param {string} options.name file name, or ""
   * @param {boolean} options.boxes whether an overlay with boxes will be carried
   * @param {Size} [options.size] of the upright photo in pixels
   */
  constructor({ picture, annotated, name, boxes, size }) {
    /** @type {Size | null} */
    this.size = size && size.width > 0 && size.height > 0 ? size : null;
    this.annotated = annotated;
    /** @type {Overlay | null} */
    this.overlay = null;
    /** @type {HTMLImageElement | null} */
    this.annotatedImage = null;
    /** @type {((size: Size) => void)[]} */
    this.onSize = [];
    /** @type {(index: number) => void} */
    this.onReach = () => {};
    this.photo = el("img", {
      className: "view-photo",
      alt: name ? t("The photo {name}", { name }) : t("The photo"),
      draggable: false,
    });
    this.canvas = el("div", { className: "view-canvas" }, this.photo);
    this.view = el(
      "div",
      {
        className: "view-window",
        tabIndex: 0,
        role: "group",
        "aria-label": t("Photo: plus and minus zoom, zero fits it to the window, arrow keys move it"),
      },
      this.canvas,
    );
    this.frame = el("div", { className: "view-frame view-stage" }, this.view);
    this.note = el("p", { className: "quiet small", hidden: true }, t("The photo cannot be shown here."));
    this.modes = this.modeButtons(boxes);
    this.tools = this.zoomButtons();
    this.zoom = new Zoom(this.view, this.canvas, () => this.zoomed());
    this.node = el(
      "div",
      { className: "view-picture" },
      el("div", { className: "view-bar-of-tools" }, ...this.modes.groups, this.tools.node),
      this.frame,
      this.note,
    );
    this.frame.classList.add("labelled");
    if (this.size) this.fit();
    this.photo.addEventListener("load", () => this.loaded());
    this.photo.addEventListener("error", () => this.blank(this.photo));
    if (picture) this.photo.src = picture;
    else this.blank(this.photo);
    this.show(this.modes.first);
    this.zoomed();
  }

  /**
   * Call `then(size)` as soon as the photo's size in pixels is known.
   *
   * @param {(size: Size) => void} then
   */
  whenSized(then) {
    if (this.size) then(this.size);
    else this.onSize.push(then);
  }

  /** @param {Overlay} overlay */
  carry(overlay) {
    this.overlay = overlay;
    this.canvas.append(overlay.svg, overlay.layer);
  }

  /**
   * Scroll object `index` into the window where the photo is larger than it.
   *
   * @param {number} index
   */
  reveal(index) {
    if (this.overlay) this.zoom.reveal(this.overlay.part(index));
  }

  /**
   * Show the boxes, the annotated picture ("drawn") or the photo alone.
   *
   * @param {Mode} mode
   */
  show(mode) {
    if (mode === this.view.dataset.mode) return;
    if (mode === "drawn") this.loadAnnotated();
    this.view.dataset.mode = mode;
    for (const [name, button] of this.modes.buttons) {
      button.setAttribute("aria-pressed", String(name === mode));
    }
    this.modes.labels.disabled = mode !== "boxes";
    this.overlay?.arrange();
  }

  loadAnnotated() {
    if (this.annotatedImage) return;
    const image = el("img", {
      className: "view-drawn",
      alt: t("The photo with its boxes drawn on it"),
      draggable: false,
    });
    image.addEventListener("load", () => this.isOther(image) && this.blank(image));
    image.addEventListener("error", () => this.blank(image));
    image.src = this.annotated;
    this.photo.after(image);
    this.annotatedImage = image;
  }

  loaded() {
    const { naturalWidth: width, naturalHeight: height } = this.photo;
    if (this.isOther(this.photo)) this.blank(this.photo);
    if (!this.size && width && height) {
      this.size = { width, height };
      this.fit();
      for (const then of this.onSize) then(this.size);
    }
    this.zoomed();
  }

  /**
   * Whether `image` is another picture than the photo, such as the one for "not there".
   *
   * @param {HTMLImageElement} image
   */
  isOther({ naturalWidth: width, naturalHeight: height }) {
    return this.size !== null && Math.abs(width / height - this.size.width / this.size.height) > 0.02;
  }

  /** @param {HTMLImageElement} image */
  blank(image) {
    image.hidden = true;
    this.note.hidden = false;
  }

  fit() {
    if (!this.size) return;
    this.frame.style.setProperty("--ratio", String(this.size.width / this.size.height));
  }

  zoomed() {
    const { level, max } = this.zoom;
    this.tools.level.textContent = `${Math.round(100 * level)}%`;
    this.tools.nearer.disabled = level >= max;
    this.tools.farther.disabled = this.tools.fit.disabled = level === 1;
    // From here on single pixels can be told apart, so none should be made up.
    const scale = this.size ? (this.view.clientWidth * level) / this.size.width : 0;
    this.photo.classList.toggle("pixels", level > 1 && scale > 3);
    this.overlay?.arrange();
  }

  /** @param {boolean} boxes */
  modeButtons(boxes) {
    /** @type {[Mode, string][]} */
    const modes = [["photo", t("Photo")]];
    if (this.annotated) modes.unshift(["drawn", t("Annotated")]);
    if (boxes) modes.unshift(["boxes", t("Boxes")]);
    const buttons = new Map(
      modes.map(([mode, words]) => [mode, tool(words, () => this.show(mode), false)]),
    );
    const group = el(
      "div",
      { className: "view-tools", role: "group", "aria-label": t("View") },
      ...buttons.values(),
    );
    const labels = this.labelButton();
    const groups = modes.length > 1 ? [group] : [];
    if (boxes) groups.push(el("div", { className: "view-tools" }, labels));
    return { first: modes[0][0], buttons, labels, groups };
  }

  labelButton() {
    const flip = () => {
      const on = this.frame.classList.toggle("labelled");
      button.setAttribute("aria-pressed", String(on));
    };
    const button = tool(t("Labels"), flip, true);
    return button;
  }

  zoomButtons() {
    const button = (
      /** @type {string} */ words,
      /** @type {string} */ label,
      /** @type {() => void} */ act,
    ) => {
      const node = tool(words, act);
      node.setAttribute("aria-label", label);
      node.title = label;
      return node;
    };
    const farther = button("−", t("Zoom out"), () => this.zoom.farther());
    const nearer = button("+", t("Zoom in"), () => this.zoom.nearer());
    const level = el("output", { className: "number view-level", "aria-label": t("Zoom") });
    const fit = tool(t("Fit"), () => this.zoom.fit());
    const node = el(
      "div",
      { className: "view-tools view-zoom", role: "group", "aria-label": t("Zoom") },
      farther,
      level,
      nearer,
      fit,
    );
    return { node, farther, nearer, level, fit };
  }
}

/**
 * @param {string} words
 * @param {() => void} act
 * @param {boolean} [pressed]
 */
function tool(words, act, pressed) {
  const node = el("button", { type: "button", className: "view-tool" }, words);
  if (pressed !== undefined) node.setAttribute("aria-pressed", String(pressed));
  node.addEventListener("click", act);
  return node;
}
