// One card: a form that photos come into. Its workspace, which shows them, is loaded with the first
// photo, so that the page is there at once.

/** @import { Limits } from "../../shared/problem.js" */
/** @import { Photo, PhotoFields } from "./photo.js" */
/** @import { Workspace } from "./workspace.js" */

import { find } from "../../shared/dom.js";
import { load } from "./load.js";
import { Ways } from "./ways.js";

export class Card {
  /**
   * @param {HTMLElement} section
   * @param {Limits} limits of the server
   * @param {() => Photo[]} allPhotos gives every card's photos
   */
  constructor(section, limits, allPhotos) {
    this.section = section;
    this.limits = limits;
    this.allPhotos = allPhotos;
    this.form = find("form", section, HTMLFormElement);
    this.kind = this.form.dataset.kind ?? "";
    /** @type {HTMLSelectElement | null} */
    this.modelSelect = this.form.querySelector("select[name=model]");
    /** @type {Workspace | null} */
    this.workspace = null;
    /** @type {Promise<Workspace> | null} */
    this.opening = null;
    this.ways = new Ways(this);
    this.form.noValidate = true; // a missing photo is reported in our own words
    this.form.addEventListener("submit", async (event) => {
      event.preventDefault();
      (await this.open()).sendReady();
    });
    this.form.addEventListener("change", () => this.workspace?.redraw());
    this.ways.begin();
  }

  /** The photos of this card. */
  get photos() {
    return this.workspace?.photos ?? [];
  }

  get model() {
    return this.modelSelect?.value ?? "";
  }

  /** Load the workspace, once. */
  open() {
    this.opening ??= load(() => import("./workspace.js")).then(({ Workspace }) => {
      this.workspace = new Workspace(this);
      return this.workspace;
    });
    return this.opening;
  }

  /**
   * Take files into the card; `now` sends them at once.
   *
   * @param {File[]} files
   * @param {{ now?: boolean }} [options]
   */
  async take(files, options) {
    (await this.open()).take(files, options);
  }

  /**
   * Restore what a reload left: photos that the server has, and how many it has not.
   *
   * @param {PhotoFields[]} sent
   * @param {number} unsent
   */
  async restore(sent, unsent) {
    const workspace = await this.open();
    if (sent.length > 0) workspace.resume(sent);
    if (unsent > 0) workspace.reportLost(unsent);
  }
}
