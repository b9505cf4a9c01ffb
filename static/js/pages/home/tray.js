// The list of a card's photos: a row each, one of them chosen.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

const MOVES = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export class Tray {
  /**
   * `list` is an empty <ol>. `onChoose(photo)` and `onRemove(photo)` are called for what a person
   * does; `thumbnailOf(photo)` gives a promise of a small picture, asked for once a row is seen.
   */
  constructor(list, limits, { onChoose, onRemove, thumbnailOf }) {
    Object.assign(this, { list, limits, onChoose, onRemove, thumbnailOf });
    this.rows = new Map();
    this.photos = new WeakMap();
    this.seen = new IntersectionObserver((entries) => this.look(entries), { rootMargin: "100px" });
    list.addEventListener("click", (event) => this.click(event));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  add(photo) {
    const row = {
      thumb: el("span", { className: "thumb" }),
      line: el("span", { className: "row-line" }),
      bar: el("span"),
    };
    row.button = el(
      "button",
      { type: "button", className: "tray-row", tabIndex: this.rows.size ? -1 : 0 },
      row.thumb,
      el("span", { className: "row-name" }, photo.name),
      row.line,
      el("span", { className: "track row-bar" }, row.bar),
    );
    // For the mouse; the keyboard has the Delete key and the button beside the photo's view.
    const away = el("button", { type: "button", className: "row-away", tabIndex: -1 }, "×");
    away.setAttribute("aria-label", t("Remove {name}", { name: photo.name }));
    row.item = el("li", {}, row.button, away);
    this.rows.set(photo, row);
    this.photos.set(row.item, photo);
    this.list.append(row.item);
    this.seen.observe(row.item);
    this.update(photo);
  }

  update(photo) {
    const row = this.rows.get(photo);
    if (!row) return;
    row.item.dataset.state = photo.state;
    row.line.textContent = photo.line(this.limits);
    row.bar.style.width = `${100 * partOf(photo)}%`;
  }

  /** Show the small picture anew: the photo is another one. */
  renew(photo) {
    const { item } = this.rows.get(photo);
    this.seen.unobserve(item);
    this.seen.observe(item);
  }

  remove(photo) {
    const row = this.rows.get(photo);
    const focused = row.item.contains(document.activeElement);
    const next = row.item.nextElementSibling ?? row.item.previousElementSibling;
    this.seen.unobserve(row.item);
    this.rows.delete(photo);
    if (row.url) URL.revokeObjectURL(row.url);
    row.item.remove();
    if (!next) return;
    if (row.button.tabIndex === 0) next.firstElementChild.tabIndex = 0;
    if (focused) next.firstElementChild.focus();
  }

  focus(photo) {
    this.rows.get(photo)?.button.focus({ preventScroll: true });
  }

  choose(photo) {
    for (const [each, { button }] of this.rows) {
      button.tabIndex = each === photo ? 0 : -1;
      if (each === photo) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const item = this.rows.get(photo)?.item;
    if (!item) return;
    // Only the list moves, never the page.
    const [list, own] = [this.list.getBoundingClientRect(), item.getBoundingClientRect()];
    if (own.top < list.top || own.bottom > list.bottom) this.list.scrollTop += own.top - list.top;
    if (own.left < list.left || own.right > list.right) {
      this.list.scrollLeft += own.left - list.left;
    }
  }

  click({ target }) {
    const photo = this.photos.get(target.closest("li"));
    if (!photo) return;
    if (target.closest(".row-away")) this.onRemove(photo);
    else if (target.closest(".tray-row")) this.onChoose(photo);
  }

  key(event) {
    const item = event.target.closest("li");
    const photo = this.photos.get(item);
    if (!photo) return;
    let to = null;
    if (event.key in MOVES) {
      to = MOVES[event.key] > 0 ? item.nextElementSibling : item.previousElementSibling;
    } else if (event.key === "Home") to = this.list.firstElementChild;
    else if (event.key === "End") to = this.list.lastElementChild;
    else if (event.key === "Delete") this.onRemove(photo);
    else return;
    event.preventDefault();
    if (!to) return;
    this.onChoose(this.photos.get(to));
    to.firstElementChild.focus();
  }

  look(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.seen.unobserve(target);
      this.picture(this.photos.get(target));
    }
  }

  async picture(photo) {
    const thumb = await this.thumbnailOf(photo);
    const row = this.rows.get(photo);
    if (!row) return;
    if (row.url) URL.revokeObjectURL(row.url);
    row.url = thumb && URL.createObjectURL(thumb);
    row.thumb.style.backgroundImage = row.url ? `url("${row.url}")` : "";
  }
}

// How much of the way is behind it, 0 to 1: the upload is half of it.
function partOf({ state, part }) {
  if (state === "uploading") return part / 2;
  return { waiting: 0.55, recognising: 0.8, done: 1 }[state] ?? 0;
}
