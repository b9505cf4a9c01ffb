// The ways into a card: choose, drop, camera, samples, and the pad for the models of digits.

/** @import { Camera } from "./camera.js" */
/** @import { Card } from "./card.js" */
/** @import { Pad } from "./pad.js" */
/** @import { Workspace } from "./workspace.js" */

import { el, find, findAll } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { draws } from "../../shared/kinds.js";
import { load } from "./load.js";

/** @typedef {"photos" | "camera" | "pad"} Way */

export class Ways {
  /** @param {Card} card */
  constructor(card) {
    this.card = card;
    const { section } = card;
    /** @type {Way} */
    this.current = "photos";
    /** @type {Camera | null} */
    this.camera = null;
    /** @type {Pad | null} */
    this.pad = null;
    this.stage = find(".stage", section);
    this.place = find(".tool", section);
    this.input = find("input[type=file]", this.stage, HTMLInputElement);
    this.input.addEventListener("change", () => this.takeFrom(this.input));
    this.buttons = findAll(".way[data-way]", section);
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.open(wayOf(button)));
    }
    for (const sample of findAll(".sample", section)) {
      sample.addEventListener("click", () => this.sample(sample.dataset));
    }
    this.acceptDrops();
    this.findCamera();
    card.modelSelect?.addEventListener("change", () => this.onModel());
  }

  /** Take in what was chosen before the scripts came. */
  begin() {
    this.takeFrom(this.input);
  }

  /** The camera or the pad, if it is open. */
  get tool() {
    return this.current === "camera" ? this.camera : this.current === "pad" ? this.pad : null;
  }

  /** The words of the view while there is no photo. */
  get hint() {
    return this.tool?.hint ?? "";
  }

  /** The model for drawings of this card, "" for none. */
  get padModel() {
    return this.card.form.dataset.pad ?? "";
  }

  /**
   * @param {HTMLInputElement} input
   * @param {{ now?: boolean }} [options]
   */
  takeFrom(input, options) {
    const files = [...(input.files ?? [])];
    if (files.length === 0) return;
    input.value = ""; // the same file may be chosen again
    this.card.take(files, options);
  }

  focus() {
    if (this.current === "photos") this.input.focus();
    else this.buttons.find((button) => wayOf(button) === this.current)?.focus();
  }

  acceptDrops() {
    const { section } = this.card;
    let depth = 0; // dragenter and dragleave also come from every child
    const hover = (/** @type {number} */ change) => {
      depth = Math.max(0, change === 0 ? 0 : depth + change);
      section.classList.toggle("dropping", depth > 0);
    };
    section.addEventListener("dragenter", () => hover(1));
    section.addEventListener("dragleave", () => hover(-1));
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      hover(0);
      // A drop's own list is empty after this turn.
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length > 0) this.card.take(files, { now: true });
    });
  }

  /** Offer the camera. A phone's own program is better than ours, and needs no secure connection. */
  async findCamera() {
    const { section } = this.card;
    if (matchMedia("(pointer: coarse)").matches) {
      find(".capture", section).hidden = false;
      const input = find(".capture input", section, HTMLInputElement);
      input.addEventListener("change", () => this.takeFrom(input, { now: true }));
      return;
    }
    try {
      const devices = await navigator.mediaDevices.enumerateDevices();
      const camera = find("[data-way=camera]", section);
      camera.hidden = !devices.some(({ kind }) => kind === "videoinput");
    } catch {
      // Not there, or not over a secure connection.
    }
  }

  onModel() {
    const { card } = this;
    for (const about of findAll(".about", card.section)) {
      about.hidden = about.dataset.model !== card.model;
    }
    const isForDrawings = this.padModel !== "" && card.model === this.padModel;
    if (isForDrawings && card.photos.length === 0 && !draws(card.kind)) this.open("pad");
    else if (!isForDrawings && this.current === "pad") this.open("photos");
  }

  /**
   * Let photos come by `way`.
   *
   * @param {Way} way
   */
  async open(way) {
    if (way === "pad") this.useModel(this.padModel);
    this.tool?.close();
    this.current = way;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(wayOf(button) === way));
    }
    this.card.section.dataset.way = way;
    this.stage.hidden = way !== "photos";
    this.place.hidden = way === "photos";
    const workspace = await this.card.open();
    workspace.redraw();
    if (way === "photos" || this.current !== way) return;
    const tool = await this.toolFor(way, workspace);
    if (this.current !== way) return;
    this.place.replaceChildren(tool.box);
    tool.open();
    workspace.redraw();
  }

  /**
   * @param {"camera" | "pad"} way
   * @param {Workspace} workspace
   */
  async toolFor(way, workspace) {
    if (way === "camera") {
      const { Camera } = await load(() => import("./camera.js"));
      return (this.camera ??= new Camera(workspace));
    }
    const { Pad } = await load(() => import("./pad.js"));
    return (this.pad ??= new Pad(workspace));
  }

  /**
   * Select a model in the form, if it is there.
   *
   * @param {string} name
   */
  useModel(name) {
    const select = this.card.modelSelect;
    if (!name || !select || select.value === name) return;
    select.value = name;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {DOMStringMap} sample */
  async sample({ address = "", model = "", name = "" }) {
    try {
      const content = await (await fetch(address)).blob();
      this.open("photos");
      this.useModel(model);
      this.card.take([new File([content], name, { type: "image/webp" })], { now: true });
    } catch {
      const { alert } = await this.card.open();
      alert.replaceChildren(el("p", {}, t("The sample could not be loaded. Try again.")));
    }
  }
}

/** @param {HTMLElement} button */
const wayOf = (button) => /** @type {Way} */ (button.dataset.way);
