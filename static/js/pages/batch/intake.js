// The form: what a person selects is listed with its count and size before anything is sent.

/** @import { BatchLimits, LeftOut, NamedFile, Selection, SizedFile } from "./files.js" */

import { el, find, findAll } from "../../shared/dom.js";
import { listOf, number, size, t, tn } from "../../shared/i18n.js";
import { fromDrop, fromInput, sort } from "./files.js";

const MAX_LISTED = 500; // names; nobody reads more
const MAX_LEFT_NAMED = 3;

const form = find("#intake", document, HTMLFormElement);
const box = find("#chosen");
const submit = find("#go", form, HTMLButtonElement);
const unselect = find("#unchoose");
const inputs = ["#folder", "#photos", "#archive"].map((id) => find(id, form, HTMLInputElement));

export class Intake {
  /**
   * @param {BatchLimits} limits
   * @param {(selection: Selection, fields: Record<string, string>) => void} onStart
   */
  constructor(limits, onStart) {
    this.limits = limits;
    this.onStart = onStart;
    /** @type {Selection | null} */
    this.selection = null;
    /** @type {Promise<Selection> | null} */
    this.sorting = null; // while the files are looked at
    for (const input of inputs) {
      input.addEventListener("change", () => this.take(fromInput(input)));
    }
    unselect.addEventListener("click", () => this.clear());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.start();
    });
    for (const radio of findAll("[name=kind]", form)) {
      radio.addEventListener("change", () => this.offerModels());
    }
    this.offerModels();
    this.acceptDrops();
  }

  get kind() {
    return find("[name=kind]:checked", form, HTMLInputElement);
  }

  /** Offer the models of the kind in the form; the first one is the default. */
  offerModels() {
    /** @type {string[]} */
    const models = JSON.parse(this.kind.dataset.models ?? "[]");
    const options = models.map((name) => el("option", { value: name }, name));
    if (models.length === 0) options.push(el("option", { value: "" }, t("default model")));
    find("[name=model]", form).replaceChildren(...options);
  }

  acceptDrops() {
    const target = find("#drop");
    let depth = 0; // dragenter and dragleave also come from every child
    const hover = (/** @type {number} */ change) => {
      depth = change === 0 ? 0 : Math.max(0, depth + change);
      target.classList.toggle("dropping", depth > 0);
    };
    target.addEventListener("dragenter", () => hover(1));
    target.addEventListener("dragleave", () => hover(-1));
    // What is dropped beside the place must not replace the page, so all of it is the place.
    window.addEventListener("dragover", (event) => event.preventDefault());
    window.addEventListener("drop", async (event) => {
      event.preventDefault();
      hover(0);
      const transfer = event.dataTransfer;
      if (find("#start").hidden || !transfer?.types.includes("Files")) return;
      try {
        this.take(await fromDrop(transfer));
      } catch {
        const help = t("Use one of the buttons instead.");
        this.complain(t("The dropped files could not be read."), help);
      }
    });
  }

  /** @param {NamedFile[]} files */
  async take(files) {
    if (files.length === 0) return;
    this.complain("");
    const sorting = (this.sorting = sort(files, this.limits));
    const selection = await sorting;
    if (this.sorting !== sorting) return; // something else was selected meanwhile
    const { photos, archive, left } = selection;
    this.selection = photos.length || archive ? selection : null;
    box.hidden = unselect.hidden = false;
    const sum = find(".chosen-sum", box);
    sum.textContent = this.selection ? sumOf(selection) : t("None of these files can be sent.");
    find(".chosen-left", box).textContent = left.length ? leftOutWords(left) : "";
    this.list([...(archive ? [archive] : []), ...photos], left);
    sum.scrollIntoView({ block: "nearest" });
  }

  /**
   * @param {SizedFile[]} files
   * @param {LeftOut[]} left
   */
  list(files, left) {
    const name = (/** @type {string} */ words) => el("span", { className: "label" }, words);
    const rows = files.slice(0, MAX_LISTED).map((file) => {
      const bytes = el("span", { className: "number quiet" }, size(file.size));
      return el("li", {}, name(file.name), " ", bytes);
    });
    const more = files.length - rows.length;
    if (more > 0) {
      rows.push(el("li", { className: "quiet" }, t("and {n} more", { n: number(more) })));
    }
    for (const file of left.slice(0, MAX_LISTED)) {
      const why = el("span", { className: "quiet" }, file.why);
      rows.push(el("li", { className: "left" }, name(file.name), " ", why));
    }
    find(".names", box).replaceChildren(...rows);
  }

  clear() {
    this.selection = this.sorting = null;
    for (const input of inputs) input.value = "";
    box.hidden = unselect.hidden = true;
    this.complain("");
    inputs[0].focus();
  }

  async start() {
    await this.sorting;
    if (submit.disabled) return; // pressed twice meanwhile
    const { selection } = this;
    if (!selection) {
      const help = t("Choose or drop a folder, photos or a ZIP first.");
      this.complain(t("Nothing selected yet."), help);
      return;
    }
    /** @type {Record<string, string>} */
    const fields = { kind: this.kind.value };
    for (const name of ["threshold", "top_k"]) {
      fields[name] = find(`[name=${name}]`, form, HTMLInputElement).value;
    }
    fields.model = find("[name=model]", form, HTMLSelectElement).value;
    fields.expected = selection.archive ? "" : String(selection.photos.length);
    this.onStart(selection, fields);
  }

  /** @param {boolean} busy */
  setBusy(busy) {
    submit.disabled = busy;
  }

  /**
   * Say what is wrong with the form; "" takes it back.
   *
   * @param {string} title
   * @param {string} help
   */
  complain(title, help = "") {
    const nodes = title ? [el("p", { className: "problem-title" }, title), el("p", {}, help)] : [];
    find("#intake-problem").replaceChildren(...nodes);
  }
}

/** @param {Selection} selection */
function sumOf({ photos, archive, bytes }) {
  const parts = [];
  if (archive) parts.push(archive.name);
  if (photos.length) parts.push(tn(photos.length, "{n} photo", "{n} photos"));
  return t("{list}: {size}", { list: listOf(parts), size: size(bytes) });
}

/**
 * Name a batch after the folder or the ZIP, or by how many photos it has.
 *
 * @param {Selection} selection
 */
export function nameOf({ photos, archive }) {
  if (archive) return archive.name;
  const folders = new Set(photos.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  const [folder] = folders;
  return folders.size === 1 && folder ? folder : tn(photos.length, "{n} photo", "{n} photos");
}

/** @param {LeftOut[]} left */
function leftOutWords(left) {
  const names = left
    .slice(0, MAX_LEFT_NAMED)
    .map(({ name, why }) => t("{name} ({why})", { name, why }));
  if (left.length > MAX_LEFT_NAMED) names.push("…");
  const list = listOf(names);
  return tn(left.length, "{n} file skipped: {list}", "{n} files skipped: {list}", { list });
}
