// The form: what is chosen is listed with its count and size before anything is sent.

import { el } from "../../shared/dom.js";
import { number, size, t, tn } from "../../shared/i18n.js";
import { fromDrop, fromInput, sorted } from "./sources.js";

const LISTED = 500; // names; nobody reads more
const LEFT_NAMED = 3;

const part = (id) => document.getElementById(id);

export class Intake {
  /** `onStart(chosen, fields)` is called with what to send and how. */
  constructor(limits, onStart) {
    this.limits = limits;
    this.form = part("intake");
    this.box = part("chosen");
    this.chosen = null;
    this.taking = null; // promise of what was chosen, while it is looked at
    this.onStart = onStart;
    for (const input of this.inputs) {
      input.addEventListener("change", () => this.take(fromInput(input)));
    }
    part("unchoose").addEventListener("click", () => this.clear());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    for (const radio of this.form.querySelectorAll("[name=kind]")) {
      radio.addEventListener("change", () => this.offerModels());
    }
    this.offerModels();
    this.acceptDrops();
  }

  get inputs() {
    return [part("folder"), part("photos"), part("archive")];
  }

  get kind() {
    return this.form.querySelector("[name=kind]:checked");
  }

  /** Only the models of the chosen kind; the first one is the default. */
  offerModels() {
    const select = this.form.elements.model;
    const models = JSON.parse(this.kind.dataset.models);
    select.replaceChildren(...models.map((name) => el("option", { value: name }, name)));
    if (models.length === 0) select.append(el("option", { value: "" }, t("the default one")));
  }

  acceptDrops() {
    const target = part("drop");
    let depth = 0; // dragenter and dragleave also come from every child
    const hover = (inside) => {
      depth = inside === 0 ? 0 : Math.max(0, depth + inside);
      target.classList.toggle("dropping", depth > 0);
    };
    target.addEventListener("dragenter", () => hover(1));
    target.addEventListener("dragleave", () => hover(-1));
    // What is dropped beside the place must not replace the page, so all of it is the place.
    window.addEventListener("dragover", (event) => event.preventDefault());
    window.addEventListener("drop", async (event) => {
      event.preventDefault();
      hover(0);
      if (part("start").hidden || !event.dataTransfer?.types.includes("Files")) return;
      try {
        this.take(await fromDrop(event.dataTransfer));
      } catch {
        this.complain(t("What was dropped could not be read."), t("Choose it with a button instead."));
      }
    });
  }

  async take(files) {
    if (files.length === 0) return;
    this.complain("");
    const taking = (this.taking = sorted(files, this.limits));
    const chosen = await taking;
    if (this.taking !== taking) return; // something else was chosen meanwhile
    const { photos, archive, left } = chosen;
    this.chosen = photos.length || archive ? chosen : null;
    this.box.hidden = part("unchoose").hidden = false;
    const sum = this.box.querySelector(".chosen-sum");
    sum.textContent = this.chosen ? this.sumOf(chosen) : t("Nothing here can be sent.");
    this.box.querySelector(".chosen-left").textContent = left.length ? leftWords(left) : "";
    this.list([...(archive ? [archive] : []), ...photos], left);
    sum.scrollIntoView({ block: "nearest" });
  }

  sumOf({ photos, archive, bytes }) {
    const parts = [];
    if (archive) parts.push(archive.name);
    if (photos.length) parts.push(tn(photos.length, "{n} photo", "{n} photos"));
    const list = parts.reduce((all, next) => t("{all}, {next}", { all, next }));
    return t("{list}: {size}", { list, size: size(bytes) });
  }

  list(files, left) {
    const rows = files.slice(0, LISTED).map(({ name, size: bytes }) =>
      el("li", {}, el("span", { className: "label" }, name), " ", el("span", { className: "number quiet" }, size(bytes))),
    );
    const out = left.slice(0, LISTED).map(({ name, why }) =>
      el("li", { className: "left" }, el("span", { className: "label" }, name), " ", el("span", { className: "quiet" }, why)),
    );
    const more = files.length - rows.length;
    if (more > 0) rows.push(el("li", { className: "quiet" }, t("and {n} more", { n: number(more) })));
    this.box.querySelector(".names").replaceChildren(...rows, ...out);
  }

  clear() {
    this.chosen = this.taking = null;
    for (const input of this.inputs) input.value = "";
    this.box.hidden = part("unchoose").hidden = true;
    this.complain("");
    this.inputs[0].focus();
  }

  async start() {
    await this.taking;
    if (part("go").disabled) return; // pressed twice meanwhile
    if (!this.chosen) {
      this.complain(t("Nothing is chosen yet."), t("Choose a folder, photos or a ZIP first, or drop them."));
      return;
    }
    const { model, threshold, top_k } = this.form.elements;
    const expected = this.chosen.archive ? "" : this.chosen.photos.length;
    const fields = { kind: this.kind.value, model: model.value, threshold: threshold.value, top_k: top_k.value, expected };
    this.onStart(this.chosen, fields);
  }

  busy(yes) {
    part("go").disabled = yes;
  }

  complain(title, words = "") {
    const box = part("intake-problem");
    box.replaceChildren(
      ...(title ? [el("p", { className: "problem-title" }, title), el("p", {}, words)] : []),
    );
  }
}

/** A name for the batch by what was chosen: the folder, the ZIP, or how many photos. */
export function nameOf({ photos, archive }) {
  if (archive) return archive.name;
  const folders = new Set(photos.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  const [folder] = folders;
  return folders.size === 1 && folder ? folder : tn(photos.length, "{n} photo", "{n} photos");
}

function leftWords(left) {
  const named = left.slice(0, LEFT_NAMED).map(({ name, why }) => t("{name} ({why})", { name, why }));
  if (left.length > LEFT_NAMED) named.push("…");
  const list = named.reduce((all, next) => t("{all}, {next}", { all, next }));
  return tn(left.length, "{n} file is left out: {list}", "{n} files are left out: {list}", { list });
}
