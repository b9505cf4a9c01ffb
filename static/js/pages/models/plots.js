// The plots of one model: a click on a small one opens it large, with its neighbours beside it.

import { find, findAll } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

export class Plots {
  /**
   * @param {HTMLElement} list holds links to the pictures
   * @param {HTMLDialogElement} dialog is shared by all models of the page
   */
  constructor(list, dialog) {
    this.links = findAll("a.plot", list, HTMLAnchorElement);
    this.dialog = dialog;
    this.at = 0;
    this.links.forEach((link, at) => {
      link.addEventListener("click", (event) => {
        // A person who asks for a new tab gets one.
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.open(at);
      });
    });
  }

  /** @param {number} at */
  open(at) {
    const { dialog } = this;
    const end = new AbortController();
    const { signal } = end;
    this.show(at);
    const onClose = () => {
      end.abort();
      this.links[this.at].focus();
    };
    const onClick = (/** @type {Event} */ event) => event.target === dialog && dialog.close();
    const button = (/** @type {string} */ selector, /** @type {() => void} */ act) =>
      find(selector, dialog).addEventListener("click", act, { signal });
    dialog.addEventListener("close", onClose, { signal });
    dialog.addEventListener("click", onClick, { signal });
    button(".close", () => dialog.close());
    button(".previous", () => this.show(this.at - 1));
    button(".next", () => this.show(this.at + 1));
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowLeft") this.show(this.at - 1);
      if (event.key === "ArrowRight") this.show(this.at + 1);
    };
    dialog.addEventListener("keydown", onKey, { signal });
    dialog.showModal();
  }

  /**
   * Show plot `at`; behind the last comes the first again.
   *
   * @param {number} at
   */
  show(at) {
    const { dialog, links } = this;
    this.at = (at + links.length) % links.length;
    const link = links[this.at];
    const small = find("img", link, HTMLImageElement);
    const image = find("img", dialog, HTMLImageElement);
    image.width = Number(small.getAttribute("width"));
    image.height = Number(small.getAttribute("height"));
    image.alt = small.alt;
    image.src = link.href;
    find("h2", dialog).textContent = `${link.dataset.model}: ${link.dataset.words}`;
    find(".place", dialog).textContent =
      links.length > 1 ? t("{n} of {all}", { n: this.at + 1, all: links.length }) : "";
    for (const button of findAll("footer button", dialog)) button.hidden = links.length < 2;
  }
}
