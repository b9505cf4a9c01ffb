// One photo for two models: choose both, choose a photo, and see the result of each.

/** @import { Limits } from "../../shared/problem.js" */

import { find, findAll } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { Problem, showProblem } from "../../shared/problem.js";
import { agreement } from "./agreement.js";
import { Side } from "./side.js";

export class Compare {
  /** @param {HTMLElement} panel */
  constructor(panel) {
    const { maxBytes, mb, megapixels } = panel.dataset;
    const formats = t("JPEG, PNG, WebP, BMP or GIF");
    /** @type {Limits} */
    this.limits = { bytes: Number(maxBytes), mb, megapixels, formats };
    this.panel = panel;
    this.form = find(".compare-form", panel, HTMLFormElement);
    this.input = find("[name=photo]", this.form, HTMLInputElement);
    this.selects = ["first", "second"].map((name) =>
      find(`[name=${name}]`, this.form, HTMLSelectElement),
    );
    this.figure = find("figure", this.form);
    this.problem = find(".problem", this.form);
    this.status = find(".status-line", this.form);
    this.sides = find(".sides", panel);
    this.agreement = find(".agreement", panel);
    /** @type {File | null} */
    this.file = null;
    this.url = ""; // of the file
    /** @type {AbortController | null} */
    this.run = null; // of the comparison on display
    this.form.hidden = false;
    this.form.noValidate = true;
    this.listen();
  }

  listen() {
    this.input.addEventListener("change", () => this.choose(this.input.files?.[0]));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.compare();
    });
    for (const button of findAll(".sample", this.form)) {
      const { url = "", name = "" } = button.dataset;
      button.addEventListener("click", () => this.sample(url, name));
    }
    // A photo dropped beside the panel must not replace the page.
    window.addEventListener("dragover", (event) => event.preventDefault());
    window.addEventListener("drop", (event) => event.preventDefault());
    this.panel.addEventListener("dragover", () => this.panel.classList.add("dropping"));
    this.panel.addEventListener("dragleave", (event) => {
      const inside = event.relatedTarget instanceof Node && this.panel.contains(event.relatedTarget);
      if (!inside) this.panel.classList.remove("dropping");
    });
    this.panel.addEventListener("drop", (event) => {
      this.panel.classList.remove("dropping");
      this.choose(event.dataTransfer?.files[0]);
    });
    document.addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      this.choose(event.clipboardData.files[0]);
      this.form.scrollIntoView({ block: "center" });
    });
  }

  /**
   * Make a model the first of the two; the second is another one of its kind, if there is one.
   *
   * @param {{ kind: string, model: string }} first
   */
  begin({ kind, model }) {
    const [first, second] = this.selects;
    const options = [...first.options].map(({ dataset }) => dataset);
    const at = options.findIndex((each) => each.kind === kind && each.model === model);
    const other = options.findIndex((each, i) => i !== at && each.kind === kind);
    first.selectedIndex = at;
    if (other >= 0) second.selectedIndex = other;
  }

  /**
   * @param {string} url
   * @param {string} name
   */
  async sample(url, name) {
    const photo = await (await fetch(url)).blob();
    this.choose(new File([photo], name, { type: photo.type }));
    await this.compare();
  }

  /** @param {File} [file] */
  choose(file) {
    if (!file) return;
    this.clear();
    this.file = file;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(file);
    this.figure.hidden = false;
    find("img", this.figure, HTMLImageElement).src = this.url;
    find("figcaption", this.figure).textContent = file.name;
    this.status.textContent = "";
  }

  clear() {
    this.run?.abort();
    this.problem.replaceChildren();
    this.agreement.hidden = true;
    this.sides.hidden = true;
    this.sides.replaceChildren();
  }

  async compare() {
    this.clear();
    const { file, limits } = this;
    if (!file || file.size > limits.bytes) {
      const problem = new Problem(file ? "image_too_large" : "no_photo");
      showProblem(this.problem, problem, limits, () => this.compare());
      return;
    }
    const run = (this.run = new AbortController());
    const sides = this.selects.map((select) => {
      const { kind = "", model = "" } = select.selectedOptions[0].dataset;
      return new Side({ kind, model, file, picture: this.url, limits });
    });
    for (const side of sides) side.onEnd = () => run.signal.aborted || this.conclude(sides);
    this.sides.replaceChildren(...sides.map((side) => side.element));
    this.sides.hidden = false;
    this.status.textContent = t("Asking both models…");
    await Promise.all(sides.map((side) => side.ask(run.signal)));
  }

  /**
   * Say how it ended, once both sides have; a side may be asked again and end again.
   *
   * @param {Side[]} sides
   */
  conclude(sides) {
    if (sides.some((side) => side.asking)) return;
    const answers = sides.filter((side) => side.answer).length;
    this.status.textContent = [
      t("Neither model gave a result."),
      t("One of the models gave no result."),
      t("Both models are done."),
    ][answers];
    if (answers < sides.length) return;
    this.agreement.replaceChildren(...agreement(sides));
    this.agreement.hidden = false;
  }
}
