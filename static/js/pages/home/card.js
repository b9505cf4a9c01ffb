// One card: a form that photos come into. What becomes of them is shown by its workspace, which
// comes with the first of them, so that the page is there at once.

import { load } from "./load.js";
import { Ways } from "./ways.js";

export class Card {
  /** `limits` of the server: bytes, mb, megapixels, formats. `all()` gives every card's photos. */
  constructor(section, limits, all) {
    Object.assign(this, { section, limits, all });
    this.form = section.querySelector("form");
    this.kind = this.form.dataset.kind;
    this.workspace = null;
    this.ways = new Ways(this);
    this.form.noValidate = true; // a missing photo is said in our own words
    this.form.addEventListener("submit", async (event) => {
      event.preventDefault();
      (await this.open()).sendReady();
    });
    this.form.addEventListener("change", () => this.workspace?.redraw());
    this.ways.begin();
  }

  /** The photos taken in so far. */
  get photos() {
    return this.workspace?.photos ?? [];
  }

  get model() {
    return this.form.elements.model?.value ?? "";
  }

  /** The workspace, as soon as it is there. */
  open() {
    this.opening ??= load(() => import("./workspace.js")).then(({ Workspace }) => {
      this.workspace = new Workspace(this, this.limits, this.all);
      return this.workspace;
    });
    return this.opening;
  }

  /** Take files in; `now` sends them at once. */
  async take(files, how) {
    const list = [...files]; // a drop's own list is empty after this turn
    (await this.open()).take(list, how);
  }

  /** What a reload left: photos the server has, and how many it has not. */
  async restore(sent, unsent) {
    const workspace = await this.open();
    if (sent.length > 0) workspace.resume(sent);
    if (unsent > 0) workspace.lost(unsent);
  }
}
