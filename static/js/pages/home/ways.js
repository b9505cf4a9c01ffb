// The ways into a card: choose, drop, camera, samples, and the pad for the models of digits.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { load } from "./load.js";

const PHOTOS = "photos";

export class Ways {
  constructor(card) {
    this.card = card;
    const { section } = card;
    this.current = PHOTOS;
    this.tools = {}; // what was opened already: the camera, the pad
    this.stage = section.querySelector(".stage");
    this.place = section.querySelector(".tool");
    this.input = this.stage.querySelector("input[type=file]");
    this.input.addEventListener("change", () => this.choose(this.input));
    this.buttons = [...section.querySelectorAll(".way[data-way]")];
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.open(button.dataset.way));
    }
    for (const sample of section.querySelectorAll(".sample")) {
      sample.addEventListener("click", () => this.sample(sample));
    }
    this.acceptDrops();
    this.findCamera();
    const { model } = card.form.elements;
    model?.addEventListener("change", () => this.modelChosen());
  }

  /** Take in what was chosen before the scripts came. */
  begin() {
    if (this.input.files.length > 0) this.choose(this.input);
  }

  /** What the view says while there is no photo. */
  get hint() {
    return this.tools[this.current]?.hint ?? "";
  }

  /** The model that reads what is drawn here, "" for none. */
  get padModel() {
    return this.card.form.dataset.pad ?? "";
  }

  choose(input, how) {
    const files = [...input.files];
    input.value = ""; // the same file may be chosen again
    if (files.length > 0) this.card.take(files, how);
  }

  focus() {
    if (this.current === PHOTOS) this.input.focus();
    else this.buttons.find(({ dataset }) => dataset.way === this.current)?.focus();
  }

  acceptDrops() {
    const { section } = this.card;
    let depth = 0; // dragenter and dragleave also come from every child
    const hover = (change) => {
      depth = Math.max(0, change === 0 ? 0 : depth + change);
      section.classList.toggle("dropping", depth > 0);
    };
    section.addEventListener("dragenter", () => hover(1));
    section.addEventListener("dragleave", () => hover(-1));
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      hover(0);
      const files = event.dataTransfer?.files ?? [];
      if (files.length > 0) this.card.take(files, { now: true });
    });
  }

  // A phone's own camera program is better than ours, and needs no secure connection.
  async findCamera() {
    const capture = this.card.section.querySelector(".capture");
    const camera = this.buttons.find(({ dataset }) => dataset.way === "camera");
    if (matchMedia("(pointer: coarse)").matches) {
      capture.hidden = false;
      const input = capture.querySelector("input");
      input.addEventListener("change", () => this.choose(input, { now: true }));
      return;
    }
    try {
      const found = await navigator.mediaDevices.enumerateDevices();
      camera.hidden = !found.some(({ kind }) => kind === "videoinput");
    } catch {
      // Not there, or not over a secure connection.
    }
  }

  modelChosen() {
    for (const about of this.card.section.querySelectorAll(".about")) {
      about.hidden = about.dataset.model !== this.card.model;
    }
    const draws = this.padModel && this.card.model === this.padModel;
    if (draws && this.card.photos.length === 0 && this.card.kind === "image_classification") {
      this.open("pad");
    } else if (!draws && this.current === "pad") {
      this.open(PHOTOS);
    }
  }

  /** Let photos come by `way`: "photos", "camera" or "pad". */
  async open(way) {
    if (way === "pad") this.useModel(this.padModel);
    this.tools[this.current]?.close();
    this.current = way;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.way === way));
    }
    this.card.section.dataset.way = way;
    this.stage.hidden = way !== PHOTOS;
    this.place.hidden = way === PHOTOS;
    const workspace = await this.card.open();
    workspace.redraw();
    if (way === PHOTOS || this.current !== way) return;
    this.tools[way] ??= await this.made(way, workspace);
    if (this.current !== way) return;
    this.place.replaceChildren(this.tools[way].box);
    this.tools[way].open();
    workspace.redraw();
  }

  async made(way, workspace) {
    if (way === "camera") {
      const { Camera } = await load(() => import("./camera.js"));
      return new Camera(workspace);
    }
    const { Pad } = await load(() => import("./pad.js"));
    return new Pad(workspace);
  }

  /** Choose `name` in the form, if it is there. */
  useModel(name) {
    const { model } = this.card.form.elements;
    if (!name || !model || model.value === name) return;
    model.value = name;
    model.dispatchEvent(new Event("change", { bubbles: true }));
  }

  async sample(button) {
    const { address, model, name } = button.dataset;
    try {
      const content = await (await fetch(address)).blob();
      this.open(PHOTOS);
      this.useModel(model);
      this.card.take([new File([content], name, { type: "image/webp" })], { now: true });
    } catch {
      const { alert } = await this.card.open();
      alert.replaceChildren(el("p", {}, t("The sample could not be loaded. Try again.")));
    }
  }
}
