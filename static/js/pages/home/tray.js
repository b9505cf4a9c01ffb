// The list of a card's photos: a row each, one of them selected.

/** @import { Limits } from "../../shared/problem.js" */
/** @import { Photo } from "./photo.js" */

import { closest, el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

/**
 * The elements of a photo's row; `url` is that of the thumbnail, "" while there is none.
 *
 * @typedef {object} Row
 * @property {HTMLLIElement} item
 * @property {HTMLButtonElement} button
 * @property {HTMLElement} thumb
 * @property {HTMLElement} line
 * @property {HTMLElement} bar
 * @property {string} url
 */

/** @type {Record<string, number>} */
const MOVES = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export class Tray {
  /**
   * @param {HTMLElement} list an empty <ol>
   * @param {Limits} limits
   * @param {object} actions
   * @param {(photo: Photo) => void} actions.onChoose
   * @param {(photo: Photo) => void} actions.onRemove
   * @param {(photo: Photo) => Promise<Blob | null>} actions.thumbnailOf called once a row is visible
   */
  constructor(list, limits, { onChoose, onRemove, thumbnailOf }) {
    this.list = list;
    this.limits = limits;
    this.onChoose = onChoose;
    this.onRemove = onRemove;
    this.thumbnailOf = thumbnailOf;
    /** @type {Map<Photo, Row>} */
    this.rows = new Map();
    /** @type {WeakMap<Element, Photo>} */
    this.photos = new WeakMap(); // by list item
    this.observer = new IntersectionObserver((entries) => this.look(entries), { rootMargin: "100px" });
    list.addEventListener("click", (event) => this.click(event));
    list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {Photo} photo */
  add(photo) {
    const thumb = el("span", { className: "thumb" });
    const line = el("span", { className: "row-line" });
    const bar = el("span");
    const button = el(
      "button",
      { type: "button", className: "tray-row", tabIndex: this.rows.size ? -1 : 0 },
      thumb,
      el("span", { className: "row-name" }, photo.name),
      line,
      el("span", { className: "track row-bar" }, bar),
    );
    // For the mouse; the keyboard has the Delete key and the button beside the photo's view.
    const away = el("button", { type: "button", className: "row-away", tabIndex: -1 }, "×");
    away.setAttribute("aria-label", t("Remove {name}", { name: photo.name }));
    const item = el("li", {}, button, away);
    this.rows.set(photo, { item, button, thumb, line, bar, url: "" });
    this.photos.set(item, photo);
    this.list.append(item);
    this.observer.observe(item);
    this.update(photo);
  }

  /** @param {Photo} photo */
  update(photo) {
    const row = this.rows.get(photo);
    if (!row) return;
    row.item.dataset.state = photo.state;
    row.line.textContent = photo.line(this.limits);
    row.bar.style.width = `${100 * partOf(photo)}%`;
  }

  /**
   * Show another thumbnail: the photo was replaced.
   *
   * @param {Photo} photo
   */
  renew(photo) {
    const item = this.rows.get(photo)?.item;
    if (!item) return;
    this.observer.unobserve(item);
    this.observer.observe(item);
  }

  /** @param {Photo} photo */
  remove(photo) {
    const row = this.rows.get(photo);
    if (!row) return;
    const focused = row.item.contains(document.activeElement);
    const next = row.item.nextElementSibling ?? row.item.previousElementSibling;
    this.observer.unobserve(row.item);
    this.rows.delete(photo);
    if (row.url) URL.revokeObjectURL(row.url);
    row.item.remove();
    const button = this.buttonOf(next);
    if (!button) return;
    if (row.button.tabIndex === 0) button.tabIndex = 0;
    if (focused) button.focus();
  }

  /** @param {Element | null} item */
  buttonOf(item) {
    const photo = item && this.photos.get(item);
    return photo && this.rows.get(photo)?.button;
  }

  /** @param {Photo | null} photo */
  focus(photo) {
    if (photo) this.rows.get(photo)?.button.focus({ preventScroll: true });
  }

  /** @param {Photo | null} photo */
  choose(photo) {
    for (const [each, { button }] of this.rows) {
      button.tabIndex = each === photo ? 0 : -1;
      if (each === photo) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    const item = photo && this.rows.get(photo)?.item;
    if (!item) return;
    // Only the list moves, never the page.
    const [list, own] = [this.list.getBoundingClientRect(), item.getBoundingClientRect()];
    if (own.top < list.top || own.bottom > list.bottom) this.list.scrollTop += own.top - list.top;
    if (own.left < list.left || own.right > list.right) {
      this.list.scrollLeft += own.left - list.left;
    }
  }

  /** @param {MouseEvent} event */
  click({ target }) {
    const item = closest(target, "li");
    const photo = item && this.photos.get(item);
    if (!photo) return;
    if (closest(target, ".row-away")) this.onRemove(photo);
    else if (closest(target, ".tray-row")) this.onChoose(photo);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const item = closest(event.target, "li");
    const photo = item && this.photos.get(item);
    if (!photo) return;
    /** @type {Element | null} */
    let to = null;
    if (event.key in MOVES) {
      to = MOVES[event.key] > 0 ? item.nextElementSibling : item.previousElementSibling;
    } else if (event.key === "Home") to = this.list.firstElementChild;
    else if (event.key === "End") to = this.list.lastElementChild;
    else if (event.key === "Delete") this.onRemove(photo);
    else return;
    event.preventDefault();
    const next = to && this.photos.get(to);
    if (!next) return;
    this.onChoose(next);
    this.focus(next);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  look(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      this.observer.unobserve(target);
      const photo = this.photos.get(target);
      if (photo) this.showThumb(photo);
    }
  }

  /** @param {Photo} photo */
  async showThumb(photo) {
    const thumb = await this.thumbnailOf(photo);
    const row = this.rows.get(photo);
    if (!row) return;
    if (row.url) URL.revokeObjectURL(row.url);
    row.url = thumb ? URL.createObjectURL(thumb) : "";
    row.thumb.style.backgroundImage = row.url ? `url("${row.url}")` : "";
  }
}

/** @type {Record<string, number>} */
const PARTS = { waiting: 0.55, recognising: 0.8, done: 1 };

/**
 * How much of the way is behind a photo, 0..1: the upload is half of it.
 *
 * @param {Photo} photo
 */
function partOf({ state, part }) {
  return state === "uploading" ? part / 2 : (PARTS[state] ?? 0);
}
