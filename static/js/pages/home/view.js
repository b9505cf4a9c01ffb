// The chosen photo of a card: the photo itself, how far it is, what came of it.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { showProblem } from "../../shared/problem.js";
import { load } from "./load.js";
import { Steps } from "./steps.js";

export class View {
  /**
   * `box` is an empty element. `again(photo)` sends a photo once more, `remove(photo)` takes it
   * away; `offer(photo)` is what a button to recognise it anew would say, or "".
   */
  constructor(box, limits, { again, remove, offer }) {
    Object.assign(this, { box, limits, again, remove, offer });
    this.title = el("h3", { className: "shown-name", tabIndex: -1 });
    this.anew = el("button", { type: "button", className: "button", hidden: true });
    const away = el("button", { type: "button", className: "button" }, t("Remove"));
    this.body = el("div", { className: "shown-body" });
    const tools = el("p", { className: "shown-tools" }, this.anew, away);
    this.head = el("header", { className: "shown-head" }, this.title, tools);
    box.append(this.head, this.body);
    this.anew.addEventListener("click", () => this.again(this.photo));
    away.addEventListener("click", () => this.remove(this.photo));
    this.photo = null;
    this.shown = "";
    this.url = this.file = null;
  }

  /** Show `photo`; the same one again shows how far it is by now. Null: `hint` instead. */
  show(photo, hint = "") {
    const shape = photo ? shapeOf(photo) : "none";
    const same = photo === this.photo;
    if (!same) this.forget();
    // A drawing that goes on keeps its last answer until there is the next one.
    const stale = same && photo?.drawn && shape === "going" && this.shown === "done";
    this.body.classList.toggle("stale", Boolean(stale));
    if (same && photo && (shape === this.shown || stale)) {
      this.steps?.at(photo, this.limits);
      this.offerAnew();
      return;
    }
    this.steps?.end();
    Object.assign(this, { photo, shown: shape, steps: null });
    this.head.hidden = !photo;
    this.title.textContent = photo?.name ?? "";
    // What had the focus may be about to go; it must not fall back to the top of the page.
    const focused = this.body.contains(document.activeElement);
    const words = (line) => el("p", { className: "hint" }, line);
    this.body.replaceChildren(...(photo ? this.parts(shape) : [words(hint)]));
    if (focused && photo) this.title.focus();
    this.offerAnew();
  }

  parts(shape) {
    if (shape === "done") return this.result();
    if (shape === "failed") return [this.preview(), this.problem()];
    if (shape === "ready") {
      const words = t("Ready: press the button to send it.");
      return [this.preview(), el("p", { className: "hint" }, words)];
    }
    this.steps = new Steps();
    this.steps.at(this.photo, this.limits);
    return [this.preview(), this.steps.box];
  }

  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = this.file = null;
  }

  offerAnew() {
    const words = this.photo?.over ? this.offer(this.photo) : "";
    this.anew.hidden = !words;
    this.anew.textContent = words;
  }

  picture() {
    const { file, address } = this.photo;
    if (!file) return address;
    if (this.file === file) return this.url;
    this.forget();
    this.file = file;
    this.url = URL.createObjectURL(file);
    return this.url;
  }

  preview() {
    const { name } = this.photo;
    const image = el("img", { alt: t("Preview of {name}", { name }), src: this.picture() });
    const figure = el("figure", { className: "preview" }, image);
    // A file the browser cannot draw is no error: the server decides what it is.
    image.addEventListener("error", () =>
      figure.replaceChildren(el("p", { className: "no-preview" }, t("No preview of this file"))),
    );
    return figure;
  }

  problem() {
    const box = el("div", { className: "problem", role: "alert" });
    const again = this.photo.file || this.photo.task ? () => this.again(this.photo) : null;
    showProblem(box, this.photo.problem, this.limits, again);
    return box;
  }

  result() {
    const { kind, answer, task, key, name } = this.photo;
    const place = el("div", { className: "shown-result" });
    const mine = this.photo;
    const picture = this.picture();
    place.append(this.preview());
    viewer().then(({ resultView }) => {
      if (this.photo !== mine || mine.answer !== answer || !place.isConnected) return;
      place.replaceChildren(resultView({ kind, answer, picture, task, key, name, level: 4 }));
    });
    return [place];
  }
}

let styled = null;

// The viewer and its style come with the first verdict.
async function viewer() {
  styled ??= new Promise((resolve) => {
    const { viewer: href } = document.querySelector(".cards").dataset;
    const sheet = el("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve });
    document.head.append(sheet);
  });
  const [module] = await Promise.all([load(() => import("../../viewer/viewer.js")), styled]);
  return module;
}

function shapeOf({ state, over }) {
  return over || state === "ready" ? state : "going";
}

/** What a screen reader is told of a photo that is shown; "" for nothing new. */
export function tidings(photo) {
  if (photo.state === "done") return t("Done. {summary}", { summary: photo.summary });
  if (photo.state === "uploading") return t("Uploading");
  if (photo.state === "waiting" && !photo.troubled) return t("Waiting in the queue");
  return photo.over || photo.state === "ready" ? "" : photo.line({});
}
