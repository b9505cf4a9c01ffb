// The selected photo of a card: the photo itself, how far it is, its result.

/** @import { Limits } from "../../shared/problem.js" */
/** @import { Photo } from "./photo.js" */

/** @typedef {"none" | "ready" | "going" | "done" | "failed"} Shape of what is on display */

import { el, find } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { Problem, showProblem } from "../../shared/problem.js";
import { load } from "./load.js";
import { Steps } from "./steps.js";

export class View {
  /**
   * @param {HTMLElement} box an empty element
   * @param {Limits} limits
   * @param {object} actions
   * @param {(photo: Photo) => void} actions.again sends a photo once more
   * @param {(photo: Photo) => void} actions.remove
   * @param {(photo: Photo) => string} actions.offer the words of a button to recognise it again, or ""
   */
  constructor(box, limits, { again, remove, offer }) {
    this.box = box;
    this.limits = limits;
    this.again = again;
    this.offer = offer;
    this.title = el("h3", { className: "shown-name", tabIndex: -1 });
    this.anew = el("button", { type: "button", className: "button", hidden: true });
    const away = el("button", { type: "button", className: "button" }, t("Remove"));
    this.body = el("div", { className: "shown-body" });
    const tools = el("p", { className: "shown-tools" }, this.anew, away);
    this.head = el("header", { className: "shown-head" }, this.title, tools);
    box.append(this.head, this.body);
    /** @type {Photo | null} */
    this.photo = null;
    /** @type {Shape} */
    this.shape = "none";
    /** @type {Steps | null} */
    this.steps = null;
    this.url = ""; // of `file`
    /** @type {File | null} */
    this.file = null;
    this.anew.addEventListener("click", () => this.photo && again(this.photo));
    away.addEventListener("click", () => this.photo && remove(this.photo));
  }

  /**
   * Show `photo`; the same one again shows how far it is by now. Null: `hint` instead.
   *
   * @param {Photo | null} photo
   */
  show(photo, hint = "") {
    const shape = photo ? shapeOf(photo) : "none";
    const same = photo === this.photo;
    if (!same) this.release();
    // A drawing that goes on keeps its last answer until there is the next one.
    const stale = same && photo?.isDrawing && shape === "going" && this.shape === "done";
    this.body.classList.toggle("stale", Boolean(stale));
    if (same && photo && (shape === this.shape || stale)) {
      this.steps?.show(photo, this.limits);
      this.offerAnew();
      return;
    }
    this.steps?.end();
    this.photo = photo;
    this.shape = shape;
    this.steps = null;
    this.head.hidden = !photo;
    this.title.textContent = photo?.name ?? "";
    // What had the focus may be about to go; it must not fall back to the top of the page.
    const focused = this.body.contains(document.activeElement);
    this.body.replaceChildren(...(photo ? this.parts(photo, shape) : [hintNode(hint)]));
    if (focused && photo) this.title.focus();
    this.offerAnew();
  }

  /**
   * @param {Photo} photo
   * @param {Shape} shape
   */
  parts(photo, shape) {
    if (shape === "done") return [this.result(photo)];
    if (shape === "failed") return [this.preview(photo), this.problem(photo)];
    if (shape === "ready") {
      return [this.preview(photo), hintNode(t("Ready. Press the button to send it."))];
    }
    this.steps = new Steps();
    this.steps.show(photo, this.limits);
    return [this.preview(photo), this.steps.box];
  }

  release() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
    this.file = null;
  }

  offerAnew() {
    const words = this.photo?.over ? this.offer(this.photo) : "";
    this.anew.hidden = !words;
    this.anew.textContent = words;
  }

  /** @param {Photo} photo */
  pictureOf({ file, address }) {
    if (!file) return address;
    if (this.file === file) return this.url;
    this.release();
    this.file = file;
    this.url = URL.createObjectURL(file);
    return this.url;
  }

  /** @param {Photo} photo */
  preview(photo) {
    const alt = t("Preview of {name}", { name: photo.name });
    const image = el("img", { alt, src: this.pictureOf(photo) });
    const figure = el("figure", { className: "preview" }, image);
    // A file the browser cannot draw is no error: the server decides what it is.
    image.addEventListener("error", () =>
      figure.replaceChildren(el("p", { className: "no-preview" }, t("No preview available"))),
    );
    return figure;
  }

  /** @param {Photo} photo */
  problem(photo) {
    const box = el("div", { className: "problem", role: "alert" });
    const retry = photo.file || photo.task ? () => this.again(photo) : null;
    showProblem(box, photo.problem ?? new Problem("unknown"), this.limits, retry);
    return box;
  }

  /** @param {Photo} photo */
  result(photo) {
    const { kind, answer, task, key, name } = photo;
    const place = el("div", { className: "shown-result" }, this.preview(photo));
    const picture = this.pictureOf(photo);
    viewer().then(({ resultView }) => {
      if (this.photo !== photo || photo.answer !== answer || !place.isConnected) return;
      place.replaceChildren(resultView({ kind, answer, picture, task, key, name, level: 4 }));
    });
    return place;
  }
}

/** @param {string} words */
const hintNode = (words) => el("p", { className: "hint" }, words);

/** @type {Promise<unknown> | null} */
let style = null;

/** Load the viewer and its style, which come with the first result. */
async function viewer() {
  style ??= new Promise((resolve) => {
    const { viewer: href } = find(".cards").dataset;
    const sheet = el("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve });
    document.head.append(sheet);
  });
  const [module] = await Promise.all([load(() => import("../../viewer/viewer.js")), style]);
  return module;
}

/**
 * @param {Photo} photo
 * @returns {Shape}
 */
function shapeOf({ state }) {
  return state === "ready" || state === "done" || state === "failed" ? state : "going";
}

/**
 * Say for a screen reader how far the photo on display is; "" for nothing new.
 *
 * @param {Photo} photo
 */
export function announcementOf(photo) {
  if (photo.state === "done") return t("Done. {summary}", { summary: photo.summary });
  if (photo.state === "uploading") return t("Uploading");
  if (photo.state === "waiting" && !photo.hasTrouble) return t("Waiting in the queue");
  return photo.over || photo.state === "ready" ? "" : photo.line({ bytes: 0 });
}
