// The plots of one model: a click on a small one opens it large, with its neighbours beside it.

import { t } from "../../shared/i18n.js";

export class Plots {
  /** `list` holds links to the pictures; `dialog` is shared by all models of the page. */
  constructor(list, dialog) {
    this.links = [...list.querySelectorAll("a.plot")];
    this.dialog = dialog;
    this.links.forEach((link, at) => {
      link.addEventListener("click", (event) => {
        // A person who asks for a new tab gets one.
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.open(at);
      });
    });
  }

  open(at) {
    const { dialog } = this;
    const end = new AbortController();
    const on = (target, type, act) => target.addEventListener(type, act, { signal: end.signal });
    this.show(at);
    on(dialog, "close", () => {
      end.abort();
      this.links[this.at].focus();
    });
    on(dialog, "click", (event) => event.target === dialog && dialog.close());
    on(dialog.querySelector(".close"), "click", () => dialog.close());
    on(dialog.querySelector(".previous"), "click", () => this.show(this.at - 1));
    on(dialog.querySelector(".next"), "click", () => this.show(this.at + 1));
    on(dialog, "keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) this.show(this.at + step);
    });
    dialog.showModal();
  }

  /** Show plot `at`; behind the last comes the first again. */
  show(at) {
    const { dialog, links } = this;
    this.at = (at + links.length) % links.length;
    const link = links[this.at];
    const small = link.querySelector("img");
    const image = dialog.querySelector("img");
    image.width = small.getAttribute("width");
    image.height = small.getAttribute("height");
    image.alt = small.alt;
    image.src = link.href;
    dialog.querySelector("h2").textContent = `${link.dataset.model}: ${link.dataset.words}`;
    dialog.querySelector(".place").textContent =
      links.length > 1 ? t("{n} of {all}", { n: this.at + 1, all: links.length }) : "";
    for (const button of dialog.querySelectorAll("footer button")) button.hidden = links.length < 2;
  }
}
