// One photo for two models: choose both, choose a photo, and see what each of them says.

import { t } from "../../shared/i18n.js";
import { Problem, showProblem } from "../../shared/problem.js";
import { agreement } from "./agreement.js";
import { Side } from "./side.js";

export class Compare {
  constructor(panel) {
    const { maxBytes, mb, megapixels } = panel.dataset;
    this.limits = { bytes: Number(maxBytes), mb, megapixels, formats: t("JPEG, PNG, WebP, BMP or GIF") };
    this.panel = panel;
    this.form = panel.querySelector(".compare-form");
    this.input = this.form.elements.photo;
    this.figure = this.form.querySelector("figure");
    this.problem = this.form.querySelector(".problem");
    this.status = this.form.querySelector(".status-line");
    this.sides = panel.querySelector(".sides");
    this.shared = panel.querySelector(".agreement");
    this.file = null;
    this.run = null; // AbortController of the comparison on display
    this.form.hidden = false;
    this.form.noValidate = true;
    this.listen();
  }

  listen() {
    this.input.addEventListener("change", () => this.choose(this.input.files[0]));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.compare();
    });
    for (const button of this.form.querySelectorAll(".sample")) {
      button.addEventListener("click", () => this.sample(button.dataset));
    }
    // A photo dropped beside the panel must not replace the page.
    for (const type of ["dragover", "drop"]) {
      window.addEventListener(type, (event) => event.preventDefault());
    }
    this.panel.addEventListener("dragover", () => this.panel.classList.add("dropping"));
    this.panel.addEventListener("dragleave", (event) => {
      if (!this.panel.contains(event.relatedTarget)) this.panel.classList.remove("dropping");
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

  /** Make a model the first of the two; the second is another one of its kind, if there is one. */
  begin({ kind, model }) {
    const options = [...this.form.elements.first.options];
    const at = options.findIndex((each) => each.dataset.kind === kind && each.dataset.model === model);
    const other = options.findIndex((each, i) => i !== at && each.dataset.kind === kind);
    this.form.elements.first.selectedIndex = at;
    if (other >= 0) this.form.elements.second.selectedIndex = other;
  }

  async sample({ url, name }) {
    const photo = await (await fetch(url)).blob();
    this.choose(new File([photo], name, { type: photo.type }));
    await this.compare();
  }

  choose(file) {
    if (!file) return;
    this.clear();
    this.file = file;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(file);
    this.figure.hidden = false;
    this.figure.querySelector("img").src = this.url;
    this.figure.querySelector("figcaption").textContent = file.name;
    this.status.textContent = "";
  }

  clear() {
    this.run?.abort();
    this.problem.replaceChildren();
    this.shared.hidden = true;
    this.sides.hidden = true;
    this.sides.replaceChildren();
  }

  async compare() {
    this.clear();
    const wrong = this.check();
    if (wrong) {
      showProblem(this.problem, wrong, this.limits, () => this.compare());
      return;
    }
    const run = (this.run = new AbortController());
    const sides = ["first", "second"].map((name) => {
      const { kind, model } = this.form.elements[name].selectedOptions[0].dataset;
      return new Side({ kind, model, file: this.file, picture: this.url, limits: this.limits });
    });
    for (const side of sides) side.onEnd = () => run.signal.aborted || this.conclude(sides);
    this.sides.replaceChildren(...sides.map((side) => side.element));
    this.sides.hidden = false;
    this.status.textContent = t("Both models are asked …");
    await Promise.all(sides.map((side) => side.ask(run.signal)));
  }

  /** Say how it ended, once both sides have; a side may be asked again and end again. */
  conclude(sides) {
    if (sides.some((side) => side.asking)) return;
    const answered = sides.filter((side) => side.answer).length;
    this.status.textContent = [
      t("Neither model gave an answer."),
      t("One of the models gave no answer."),
      t("Both models have answered."),
    ][answered];
    if (answered < sides.length) return;
    this.shared.replaceChildren(...agreement(sides));
    this.shared.hidden = false;
  }

  /** What keeps the two from being asked, or null. */
  check() {
    if (!this.file) return new Problem("no_photo");
    return this.file.size > this.limits.bytes ? new Problem("image_too_large") : null;
  }
}
