// The table of a batch: sorted, filtered, fifty rows at a time, so that a thousand photos stay light.

/** @import { Item } from "./rows.js" */

import { closest, el, find, findAll, setText } from "../../shared/dom.js";
import { number, t } from "../../shared/i18n.js";
import { thumbOf } from "../../shared/thumb.js";
import { labelText } from "../../viewer/answer.js";
import { columnsOf, STATE_ORDER } from "./columns.js";
import { countsOf, labelsOf, STATES } from "./rows.js";

const ROWS = 50;
const MAX_LABELS = 200; // in the list to choose from

const collator = new Intl.Collator(undefined, { numeric: true });

const table = find("#table", document, HTMLTableElement);
const pager = find("#pager");
const byName = find("#by-name", document, HTMLInputElement);
const byState = find("#by-state", document, HTMLSelectElement);
const byLabel = find("#by-label", document, HTMLSelectElement);

export class Table {
  /**
   * @param {object} options
   * @param {string} options.kind
   * @param {Map<number, Item>} options.items by number
   * @param {Map<string, File>} options.files by name, those that this browser sent
   * @param {(item: Item, list: Item[]) => void} options.onOpen called for the row that was pressed
   */
  constructor({ kind, items, files, onOpen }) {
    this.kind = kind;
    this.items = items;
    this.files = files;
    this.onOpen = onOpen;
    this.columns = columnsOf(kind);
    this.sorting = { column: "n", down: false };
    this.first = 0;
    /** @type {Item[]} */
    this.rows = []; // after the filter, in order
    /** @type {Map<number, { row: HTMLTableRowElement, item: Item }>} */
    this.nodes = new Map(); // by number
    /** @type {Map<string, string>} */
    this.thumbs = new Map(); // name -> address of a thumbnail
    this.head();
    this.body = table.tBodies[0];
    this.body.addEventListener("click", (event) => this.onClick(event));
    for (const field of [byName, byState, byLabel]) {
      field.addEventListener("input", () => this.filter());
    }
    for (const button of findAll("button", pager)) {
      button.addEventListener("click", () => this.turn(Number(button.dataset.step)));
    }
  }

  head() {
    find("thead tr", table).replaceChildren(
      ...this.columns.map(({ id, words, className = "" }) => {
        const button = el("button", { type: "button", className: "sorter" }, words);
        button.addEventListener("click", () => this.sortBy(id));
        const cell = el("th", { scope: "col", className }, button);
        cell.dataset.column = id;
        return cell;
      }),
    );
  }

  /** @param {string} column */
  sortBy(column) {
    const same = this.sorting.column === column;
    const down = same ? !this.sorting.down : ["score", "ms"].includes(column);
    this.sorting = { column, down };
    this.first = 0;
    this.show();
  }

  filter() {
    this.first = 0;
    this.show();
  }

  /** @param {number} step */
  turn(step) {
    this.first = Math.max(0, this.first + step * ROWS);
    this.show();
    find("#results").scrollIntoView({ block: "start" });
  }

  /** Show the items as they are now. */
  show() {
    this.offerStates();
    this.offerLabels();
    this.rows = this.sort([...this.items.values()].filter(this.matcher()));
    if (this.first >= this.rows.length) this.first = 0;
    const page = this.rows.slice(this.first, this.first + ROWS);
    this.place(page.map((item) => this.row(item)));
    this.mark();
    this.showPager(page.length);
  }

  /**
   * Put the rows in place, touching only those that changed: one under a finger must not go.
   *
   * @param {HTMLTableRowElement[]} rows
   */
  place(rows) {
    rows.forEach((row, i) => {
      const there = this.body.rows[i];
      if (there !== row) this.body.insertBefore(row, there ?? null);
    });
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
  }

  matcher() {
    const name = byName.value.trim().toLocaleLowerCase();
    const state = byState.value;
    const label = byLabel.value;
    return (/** @type {Item} */ item) =>
      (!name || item.name.toLocaleLowerCase().includes(name)) &&
      (!state || item.state === state) &&
      (!label || labelsOf(this.kind, item).some((each) => `=${each.label}` === label));
  }

  /** @param {Item[]} items */
  sort(items) {
    const { column, down } = this.sorting;
    const { value } = this.columns.find(({ id }) => id === column) ?? this.columns[0];
    const sign = down ? -1 : 1;
    return items
      .map((item) => ({ value: value(item), item }))
      .sort((a, b) => sign * compare(a.value, b.value) || a.item.n - b.item.n)
      .map(({ item }) => item);
  }

  /** @param {Item} item */
  row(item) {
    const before = this.nodes.get(item.n);
    if (before?.item === item) return before.row;
    const cells = this.columns.map((column) => column.cell(item, (each) => this.thumb(each)));
    if (before) before.row.replaceChildren(...cells);
    const row = before?.row ?? el("tr", {}, ...cells);
    row.dataset.n = String(item.n);
    this.nodes.set(item.n, { row, item });
    return row;
  }

  mark() {
    for (const cell of findAll("thead th", table)) {
      const sorts = cell.dataset.column === this.sorting.column;
      cell.setAttribute("aria-sort", sorts ? (this.sorting.down ? "descending" : "ascending") : "none");
    }
  }

  /** @param {number} rows on this page */
  showPager(rows) {
    const all = this.rows.length;
    const [from, to] = [number(this.first + 1), number(this.first + rows)];
    const words = all
      ? t("{from} to {to} of {all}", { from, to, all: number(all) })
      : t("No photo matches. Try fewer filters.");
    setText(find("[role=status]", pager), words);
    const [previous, next] = findAll("button", pager, HTMLButtonElement);
    previous.disabled = this.first === 0;
    next.disabled = this.first + rows >= all;
    previous.hidden = next.hidden = all <= ROWS;
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const row = closest(event.target, "tr");
    const item = row && this.items.get(Number(row.dataset.n));
    if (item?.task) this.onOpen(item, this.rows);
  }

  offerStates() {
    const there = new Set([...this.items.values()].map(({ state }) => state));
    const states = STATE_ORDER.filter((state) => there.has(state));
    offer(
      byState,
      states.map((state) => ({ value: state, words: STATES[state][0] })),
    );
  }

  offerLabels() {
    const counts = countsOf(this.kind, this.items.values()).slice(0, MAX_LABELS);
    const options = counts.map(([label]) => ({ value: `=${label}`, words: labelText(label) }));
    offer(
      byLabel,
      options.sort((a, b) => compare(a.words, b.words)),
    );
  }

  /**
   * Make the thumbnail of a photo that this browser sent; it appears when it is ready.
   *
   * @param {Item} item
   */
  thumb(item) {
    const image = el("img", { className: "thumb", alt: "", width: 40, height: 40 });
    const file = this.files.get(item.name);
    const url = this.thumbs.get(item.name);
    if (url) image.src = url;
    else if (file) {
      thumbOf(file).then((blob) => {
        if (!blob) {
          image.remove();
          return;
        }
        image.src = this.thumbs.get(item.name) ?? URL.createObjectURL(blob);
        this.thumbs.set(item.name, image.src);
      });
    }
    return file ? image : "";
  }
}

/**
 * @param {string | number} a
 * @param {string | number} b
 */
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}

/**
 * Set the options of a list, unless they are the same, so that an open list stays open.
 *
 * @param {HTMLSelectElement} select
 * @param {{ value: string, words: string }[]} options
 */
function offer(select, options) {
  const key = JSON.stringify(options);
  if (select.dataset.offered === key) return;
  select.dataset.offered = key;
  const before = select.value;
  select.replaceChildren(
    el("option", { value: "" }, t("all")),
    ...options.map(({ value, words }) => el("option", { value }, words)),
  );
  select.value = options.some(({ value }) => value === before) ? before : "";
}
