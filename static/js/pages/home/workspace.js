// A card's photos: the tray of them, the view of the selected one, and what is done with them.

/** @import { Card } from "./card.js" */
/** @import { PhotoFields } from "./photo.js" */

import { el, find, setText } from "../../shared/dom.js";
import { t, tn } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { Problem, showProblem } from "../../shared/problem.js";
import { load } from "./load.js";
import { Photo, tally } from "./photo.js";
import { writeSoon } from "./tab_state.js";
import { Tray } from "./tray.js";
import { announcementOf, View } from "./view.js";

const uploads = () => load(() => import("./upload.js"));

export class Workspace {
  /** @param {Card} card */
  constructor(card) {
    this.card = card;
    const { section, form, kind, limits } = card;
    this.section = section;
    this.kind = kind;
    this.limits = limits;
    this.submit = find(".submit", section, HTMLButtonElement);
    this.action = this.submit.textContent;
    this.status = find("[role=status]", section);
    this.alert = find(".card-problem", section);
    this.work = find(".tray", section);
    this.bar = find(".total", this.work);
    /** @type {HTMLInputElement | null} */
    this.threshold = form.querySelector("input[name=threshold]");
    /** @type {Photo[]} */
    this.photos = [];
    /** @type {Photo | null} */
    this.selection = null;
    this.busy = false;
    /** @type {number | null} */
    this.frame = null;
    this.tray = new Tray(find(".tray-list", section), limits, {
      onChoose: (photo) => this.choose(photo),
      onRemove: (photo) => this.remove(photo),
      thumbnailOf: async (photo) => (await uploads()).thumbnailOf(photo, true),
    });
    this.view = new View(find(".shown", section), limits, {
      again: (photo) => this.start([photo]),
      remove: (photo) => this.remove(photo),
      offer: (photo) => this.offer(photo),
    });
    find(".clear", section).addEventListener("click", () => this.clear());
    find(".retry", section).addEventListener("click", () => this.retry());
    find(".all-anew", section).addEventListener("click", () =>
      this.start(this.photos.filter((photo) => this.offer(photo))),
    );
    this.redraw();
  }

  get options() {
    const threshold = this.threshold?.checked ? this.threshold.value : "";
    return { model: this.card.model, threshold };
  }

  /**
   * Take files into the tray; `now` sends them at once.
   *
   * @param {File[]} files
   */
  take(files, { now = false } = {}) {
    this.alert.replaceChildren();
    const photos = files.map(
      (file) => new Photo({ kind: this.kind, file, name: file.name, options: this.options }),
    );
    this.add(photos);
    for (const [i, { size }] of files.entries()) {
      if (size <= this.limits.bytes) continue;
      photos[i].set({ state: "failed", problem: new Problem("image_too_large") });
    }
    if (now) this.sendReady(photos);
    return photos;
  }

  /**
   * Take photos back that the server has had since before a reload.
   *
   * @param {PhotoFields[]} entries
   */
  async resume(entries) {
    const photos = entries.map((entry) => new Photo(entry));
    this.add(photos);
    const { resume } = await uploads();
    photos.forEach(resume);
  }

  /** @param {Photo[]} photos */
  add(photos) {
    // A reader who looks at the last photo goes on to the next one; an earlier one stays.
    const busy = this.view.box.contains(document.activeElement);
    const follows = !this.selection || (this.selection === this.photos.at(-1) && !busy);
    for (const photo of photos) {
      photo.onChange = () => this.onChange(photo);
      this.photos.push(photo);
      this.tray.add(photo);
    }
    if (follows && photos.length > 0) this.choose(photos[0]);
    this.redraw();
  }

  /** @param {Photo | null} photo */
  choose(photo) {
    this.selection = photo;
    this.tray.choose(photo);
    this.view.show(photo, this.card.ways.hint);
  }

  /** @param {Photo} photo */
  onChange(photo) {
    if (!this.photos.includes(photo)) return;
    this.tray.update(photo);
    if (photo === this.selection) {
      this.view.show(photo);
      this.announce(announcementOf(photo));
      this.card.ways.pad?.showAnswer(photo);
    } else if (photo.over && this.selection === null) {
      this.choose(photo);
    }
    this.redrawSoon();
  }

  /** @param {string} words for a screen reader */
  announce(words) {
    if (words) setText(this.status, words);
  }

  /** @param {Photo[]} photos */
  sendReady(photos = this.photos) {
    const ready = photos.filter(({ state }) => state === "ready");
    if (ready.length > 0) this.start(ready);
    else if (photos.length === 0) showProblem(this.alert, new Problem("no_photo"), this.limits);
  }

  /**
   * Send photos, perhaps again, with the form's options.
   *
   * @param {Photo[]} photos
   */
  start(photos) {
    for (const photo of photos) photo.options = this.options;
    this.send(photos);
  }

  /** @param {Photo[]} photos */
  async send(photos) {
    this.alert.replaceChildren();
    for (const photo of photos) photo.begin("queued");
    const { send } = await uploads();
    for (const photo of photos) if (this.photos.includes(photo)) send(photo);
  }

  /**
   * Find a file name that no photo here has: "drawing-2.png".
   *
   * @param {string} word
   * @param {string} suffix
   */
  unusedName(word, suffix) {
    for (let n = 1; ; n += 1) {
      const name = `${word}-${n}.${suffix}`;
      if (!this.photos.some((photo) => photo.name === name)) return name;
    }
  }

  /**
   * Put another drawing in the place of `photo`; the result of the one before is dropped.
   *
   * @param {Photo} photo
   * @param {File} file
   */
  async redo(photo, file) {
    const { discard, send } = await uploads();
    discard(photo);
    photo.file = file;
    photo.options = this.options;
    this.tray.renew(photo);
    send(photo);
  }

  /** The photos that failed and may do better another time. */
  get mayPass() {
    return this.photos.filter(({ state, problem }) => state === "failed" && problem?.mayPass);
  }

  retry() {
    this.send(this.mayPass);
  }

  /** @param {Photo} photo */
  async remove(photo) {
    const at = this.photos.indexOf(photo);
    this.photos.splice(at, 1);
    this.tray.remove(photo);
    if (photo === this.selection) this.choose(this.photos[at] ?? this.photos.at(-1) ?? null);
    this.redraw();
    if (this.photos.length === 0) this.card.ways.focus();
    (await uploads()).drop(photo);
  }

  clear() {
    for (const photo of this.photos.splice(0)) {
      this.tray.remove(photo);
      uploads().then(({ drop }) => drop(photo));
    }
    this.choose(null);
    this.alert.replaceChildren();
    this.redraw();
    this.card.ways.focus();
  }

  /**
   * The words of a button to recognise `photo` again, "" when nothing would be different.
   *
   * @param {Photo} photo
   */
  offer(photo) {
    const { model, threshold } = this.options;
    if (!photo.over || (photo.problem && !photo.problem.mayPass)) return "";
    if (model !== photo.options.model) return t("Recognise again with {model}", { model });
    return threshold === (photo.options.threshold ?? "") ? "" : t("Recognise again");
  }

  redrawSoon() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.redraw();
    });
  }

  /** Draw everything that depends on all photos together. */
  redraw() {
    const sums = tally(this.photos);
    const full = sums.all > 0 || this.card.ways.current !== "photos";
    const grows = full && this.section.dataset.state === "empty";
    const hadSubmit = !this.submit.hidden;
    const focus = document.activeElement;
    this.section.dataset.state = stateOf(full, sums);
    if (grows) this.scrollIntoView();
    find(".shown", this.section).hidden = !full;
    this.work.hidden = sums.all === 0;
    this.submit.hidden = full && sums.ready === 0;
    this.submit.textContent = this.actionFor(sums.ready);
    find(".tally", this.work).textContent = sums.sentence;
    this.showTotal(sums);
    find(".retry", this.work).hidden = this.mayPass.length < 2;
    const offers = this.photos.filter((photo) => this.offer(photo)).length;
    find(".all-anew", this.work).hidden = offers < 2;
    this.view.show(this.selection, this.card.ways.hint);
    if (sums.all > 1 && this.busy && !sums.underWay) this.announce(sums.sentence);
    this.busy = sums.underWay > 0;
    if (grows || (hadSubmit && this.submit.hidden)) this.restoreFocus(focus);
    writeSoon(this.card.allPhotos);
  }

  /**
   * Move the focus to the selected photo's row if the element that had it was hidden.
   *
   * @param {Element | null} element
   */
  restoreFocus(element) {
    if (element && this.section.contains(element) && !element.checkVisibility()) {
      this.tray.focus(this.selection);
    }
  }

  /** As a workspace the card may have moved below another one. */
  scrollIntoView() {
    const { top } = this.section.getBoundingClientRect();
    if (top > innerHeight / 2) this.section.scrollIntoView();
  }

  /** @param {number} n photos to send */
  actionFor(n) {
    const { action_one: one, action_many: many } = KINDS[this.kind];
    return n < 2 ? this.action : tn(n, one, many);
  }

  /** @param {Sums} sums */
  showTotal({ all, ready, done, failed, underWay }) {
    const { bar } = this;
    const [begun, over] = [all - ready, done + failed];
    bar.hidden = !(underWay && begun > 1);
    bar.setAttribute("aria-valuenow", String(over));
    bar.setAttribute("aria-valuemax", String(begun));
    find("span", bar).style.width = `${(100 * over) / (begun || 1)}%`;
  }

  /**
   * Report in the card how many photos a reload has lost.
   *
   * @param {number} n
   */
  reportLost(n) {
    const words = tn(
      n,
      "{n} photo had not been sent when the page was closed. Choose it again.",
      "{n} photos had not been sent when the page was closed. Choose them again.",
    );
    this.alert.replaceChildren(el("p", {}, words));
  }
}

/** @typedef {Omit<ReturnType<typeof tally>, "sentence">} Sums */

/**
 * @param {boolean} full
 * @param {Sums} sums
 */
function stateOf(full, { all, ready, done, failed, underWay }) {
  if (!full) return "empty";
  if (all === 0) return "open";
  if (underWay) return "busy";
  if (ready) return "ready";
  return failed && !done ? "failed" : "done";
}
