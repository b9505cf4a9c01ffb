// The photo on its stage: live boxes, the annotated picture or the photo alone, near or far.

import { el } from "../shared/dom.js";
import { t } from "../shared/i18n.js";
import { Zoom } from "./zoom.js";

export class Stage {
  /**
   * `picture`, `drawn`: addresses of the photo and of its annotated picture, or "". `size`: width
   * and height of the upright photo, if known. `boxes`: whether there are any to be carried.
   */
  constructor({ picture, drawn, name, boxes, size }) {
    this.size = size?.width > 0 && size?.height > 0 ? size : null;
    this.drawn = drawn;
    this.overlay = null;
    this.sized = [];
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
        "aria-label": t("Photo: plus and minus zoom, zero fits, arrows move"),
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

  /** Call `then(size)` as soon as the photo's size in pixels is known. */
  whenSized(then) {
    if (this.size) then(this.size);
    else this.sized.push(then);
  }

  carry(overlay) {
    this.overlay = overlay;
    this.canvas.append(overlay.svg, overlay.layer);
  }

  /** Bring object `index` into sight where the photo is larger than its window. */
  reveal(index) {
    if (this.overlay) this.zoom.reveal(this.overlay.part(index));
  }

  /** Show `mode`: "boxes", "drawn" (the annotated picture) or "photo". */
  show(mode) {
    if (mode === this.view.dataset.mode) return;
    if (mode === "drawn") this.loadDrawn();
    this.view.dataset.mode = mode;
    for (const [name, button] of this.modes.buttons) {
      button.setAttribute("aria-pressed", String(name === mode));
    }
    this.modes.labels.disabled = mode !== "boxes";
    this.overlay?.arrange();
  }

  loadDrawn() {
    if (this.result) return;
    this.result = el("img", {
      className: "view-drawn",
      alt: t("The photo with its boxes drawn on it"),
      draggable: false,
    });
    this.result.addEventListener("load", () => this.isOther(this.result) && this.blank(this.result));
    this.result.addEventListener("error", () => this.blank(this.result));
    this.result.src = this.drawn;
    this.photo.after(this.result);
  }

  loaded() {
    const { naturalWidth: width, naturalHeight: height } = this.photo;
    if (this.isOther(this.photo)) this.blank(this.photo);
    if (!this.size && width && height) {
      this.size = { width, height };
      this.fit();
      for (const then of this.sized) then(this.size);
    }
    this.zoomed();
  }

  /** Whether `image` is not what was looked at, but such as the picture for "not there". */
  isOther({ naturalWidth: width, naturalHeight: height }) {
    return this.size && Math.abs(width / height - this.size.width / this.size.height) > 0.02;
  }

  blank(image) {
    image.hidden = true;
    this.note.hidden = false;
  }

  fit() {
    this.frame.style.setProperty("--ratio", String(this.size.width / this.size.height));
  }

  zoomed() {
    const { level, most } = this.zoom;
    this.tools.level.textContent = `${Math.round(100 * level)}%`;
    this.tools.nearer.disabled = level >= most;
    this.tools.farther.disabled = this.tools.fit.disabled = level === 1;
    // From here on single pixels can be told apart, so none should be made up.
    const shown = this.size ? (this.view.clientWidth * level) / this.size.width : 0;
    this.photo.classList.toggle("pixels", level > 1 && shown > 3);
    this.overlay?.arrange();
  }

  modeButtons(boxes) {
    const modes = [
      boxes && ["boxes", t("Boxes")],
      this.drawn && ["drawn", t("Annotated")],
      ["photo", t("Photo")],
    ].filter(Boolean);
    const buttons = new Map(
      modes.map(([mode, words]) => [mode, tool(words, () => this.show(mode), false)]),
    );
    const group = el(
      "div",
      { className: "view-tools", role: "group", "aria-label": t("What is shown") },
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
    const button = (words, label, act) => {
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

function tool(words, act, pressed) {
  const node = el("button", { type: "button", className: "view-tool" }, words);
  if (pressed !== undefined) node.setAttribute("aria-pressed", String(pressed));
  node.addEventListener("click", act);
  return node;
}
