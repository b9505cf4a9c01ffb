// A card's photos: the tray of them, the view of the chosen one, and what is done with them.

import { el } from "../../shared/dom.js";
import { t, tn } from "../../shared/i18n.js";
import { Problem, showProblem } from "../../shared/problem.js";
import { keep } from "./kept.js";
import { load } from "./load.js";
import { Photo, tally } from "./photo.js";
import { Tray } from "./tray.js";
import { tidings, View } from "./view.js";

const desk = () => load(() => import("./desk.js"));

export class Workspace {
  /** `limits` of the server: bytes, mb, megapixels, formats. `all()` gives every card's photos. */
  constructor(card, limits, all) {
    const { section, form, kind, ways } = card;
    const find = (selector) => section.querySelector(selector);
    Object.assign(this, { section, form, kind, ways, limits, all });
    this.submit = find(".submit");
    this.action = this.submit.textContent;
    this.status = find("[role=status]");
    this.alert = find(".card-problem");
    this.work = find(".tray");
    this.photos = [];
    this.chosen = null;
    this.tray = new Tray(find(".tray-list"), limits, {
      onChoose: (photo) => this.choose(photo),
      onRemove: (photo) => this.remove(photo),
      thumbnailOf: async (photo) => (await desk()).thumbnailOf(photo, true),
    });
    this.view = new View(find(".shown"), limits, {
      again: (photo) => this.start([photo]),
      remove: (photo) => this.remove(photo),
      offer: (photo) => this.offer(photo),
    });
    find(".clear").addEventListener("click", () => this.clear());
    find(".retry").addEventListener("click", () => this.retry());
    find(".all-anew").addEventListener("click", () =>
      this.start(this.photos.filter((photo) => this.offer(photo))),
    );
    this.redraw();
  }

  get options() {
    const { model, threshold } = this.form.elements;
    return { model: model?.value ?? "", threshold: threshold?.checked ? threshold.value : "" };
  }

  /** Take files into the tray; `now` sends them at once. Gives the photos. */
  take(files, { now = false } = {}) {
    this.alert.replaceChildren();
    const photos = [...files].map(
      (file) => new Photo({ kind: this.kind, file, name: file.name, options: this.options }),
    );
    this.add(photos);
    for (const photo of photos) {
      if (photo.file.size <= this.limits.bytes) continue;
      photo.set({ state: "failed", problem: new Problem("image_too_large") });
    }
    if (now) this.sendReady(photos);
    return photos;
  }

  /** Take photos back that the server has had since before a reload. */
  async resume(entries) {
    const photos = entries.map((entry) => new Photo(entry));
    this.add(photos);
    const { resume } = await desk();
    photos.forEach(resume);
  }

  add(photos) {
    // Whoever looks at the last photo wants the next one; an earlier choice is left alone.
    const busy = this.view.box.contains(document.activeElement);
    const follows = !this.chosen || (this.chosen === this.photos.at(-1) && !busy);
    for (const photo of photos) {
      photo.onChange = () => this.changed(photo);
      this.photos.push(photo);
      this.tray.add(photo);
    }
    if (follows && photos.length > 0) this.choose(photos[0]);
    this.redraw();
  }

  choose(photo) {
    this.chosen = photo;
    this.tray.choose(photo);
    this.view.show(photo, this.ways.hint);
  }

  changed(photo) {
    if (!this.photos.includes(photo)) return;
    this.tray.update(photo);
    if (photo === this.chosen) {
      this.view.show(photo);
      this.say(tidings(photo));
      this.ways.tools.pad?.tell(photo);
    } else if (photo.over && this.chosen === null) {
      this.choose(photo);
    }
    this.redrawSoon();
  }

  say(words) {
    if (words && this.status.textContent !== words) this.status.textContent = words;
  }

  sendReady(photos = this.photos) {
    const ready = photos.filter(({ state }) => state === "ready");
    if (ready.length > 0) {
      for (const photo of ready) photo.options = this.options;
      this.send(ready);
    } else if (photos.length === 0) {
      showProblem(this.alert, new Problem("no_photo"), this.limits);
    }
  }

  /** Send photos again, with what the form says now. */
  start(photos) {
    for (const photo of photos) photo.options = this.options;
    this.send(photos);
  }

  async send(photos) {
    this.alert.replaceChildren();
    for (const photo of photos) photo.begin("queued");
    const { send } = await desk();
    for (const photo of photos) if (this.photos.includes(photo)) send(photo);
  }

  /** A file name that no photo here has: "drawing-2.png". */
  unused(word, suffix) {
    for (let n = 1; ; n += 1) {
      const name = `${word}-${n}.${suffix}`;
      if (!this.photos.some((photo) => photo.name === name)) return name;
    }
  }

  /** Another drawing in the place of `photo`; what became of the one before is dropped. */
  async redo(photo, file) {
    const { replace, send } = await desk();
    replace(photo);
    Object.assign(photo, { file, options: this.options });
    this.tray.renew(photo);
    send(photo);
  }

  retry() {
    this.send(this.photos.filter((photo) => photo.state === "failed" && photo.problem.mayPass));
  }

  async remove(photo) {
    const at = this.photos.indexOf(photo);
    this.photos.splice(at, 1);
    this.tray.remove(photo);
    if (photo === this.chosen) this.choose(this.photos[at] ?? this.photos.at(-1) ?? null);
    this.redraw();
    if (this.photos.length === 0) this.ways.focus();
    (await desk()).drop(photo);
  }

  clear() {
    for (const photo of [...this.photos]) {
      this.photos.pop();
      this.tray.remove(photo);
      desk().then(({ drop }) => drop(photo));
    }
    this.choose(null);
    this.alert.replaceChildren();
    this.redraw();
    this.ways.focus();
  }

  /** What a button to recognise `photo` anew says, "" when nothing would be different. */
  offer(photo) {
    const { model, threshold } = this.options;
    if (!photo.over || (photo.problem && !photo.problem.mayPass)) return "";
    if (model !== photo.options.model) return t("Recognise again with {model}", { model });
    return threshold === (photo.options.threshold ?? "") ? "" : t("Recognise again");
  }

  redrawSoon() {
    this.soon ??= requestAnimationFrame(() => {
      this.soon = null;
      this.redraw();
    });
  }

  /** Everything that depends on all photos together. */
  redraw() {
    const sums = tally(this.photos);
    const full = sums.all > 0 || this.ways.current !== "photos";
    const grows = full && this.section.dataset.state === "empty";
    const [offered, at] = [!this.submit.hidden, document.activeElement];
    this.section.dataset.state = stateOf(full, sums);
    if (grows) this.come();
    this.section.querySelector(".shown").hidden = !full;
    this.work.hidden = sums.all === 0;
    this.submit.hidden = full && sums.ready === 0;
    this.submit.textContent = this.actionFor(sums.ready);
    this.work.querySelector(".tally").textContent = sums.sentence;
    this.total(sums);
    const show = (selector, yes) => (this.work.querySelector(selector).hidden = !yes);
    const failed = this.photos.filter(({ problem }) => problem?.mayPass);
    show(".retry", failed.length > 1);
    show(".all-anew", this.photos.filter((photo) => this.offer(photo)).length > 1);
    this.view.show(this.chosen, this.ways.hint);
    if (sums.all > 1 && this.busy && !sums.underWay) this.say(sums.sentence);
    this.busy = sums.underWay > 0;
    if (grows || (offered && this.submit.hidden)) this.keepFocus(at);
    keep(this.all);
  }

  /** What had the focus may be put away by what came of it: the chosen photo's row is next. */
  keepFocus(at) {
    if (this.section.contains(at) && !at.checkVisibility()) this.tray.focus(this.chosen);
  }

  /** Into sight: as a workspace the card may have moved below another one. */
  come() {
    const { top } = this.section.getBoundingClientRect();
    if (top > innerHeight / 2) this.section.scrollIntoView();
  }

  actionFor(n) {
    if (n < 2) return this.action;
    return this.kind === "object_detection"
      ? tn(n, "Find the objects in {n} photo", "Find the objects in {n} photos")
      : tn(n, "Classify {n} photo", "Classify {n} photos");
  }

  total({ all, ready, done, failed, underWay }) {
    const bar = this.work.querySelector(".total");
    const [begun, over] = [all - ready, done + failed];
    bar.hidden = !(underWay && begun > 1);
    bar.setAttribute("aria-valuenow", String(over));
    bar.setAttribute("aria-valuemax", String(begun));
    bar.firstElementChild.style.width = `${(100 * over) / (begun || 1)}%`;
  }

  /** Say in the card what a reload has lost. */
  lost(n) {
    const words = tn(
      n,
      "{n} photo had not been sent yet when the page was left. Choose it again.",
      "{n} photos had not been sent yet when the page was left. Choose them again.",
    );
    this.alert.replaceChildren(el("p", {}, words));
  }
}

function stateOf(full, { all, ready, done, failed, underWay }) {
  if (!full) return "empty";
  if (all === 0) return "open";
  if (underWay) return "busy";
  if (ready) return "ready";
  return failed && !done ? "failed" : "done";
}
