// The table of a batch: sorted, sieved, fifty rows at a time, so that a thousand photos stay light.

import { el } from "../../shared/dom.js";
import { number, t } from "../../shared/i18n.js";
import { thumbOf } from "../../shared/store.js";
import { countsOf, labelsOf, lineOf, scoreOf, scoreWords, shownLabel, STATES } from "./rows.js";

const ROWS = 50;
const MOST_LABELS = 200; // in the list to choose from
const ORDER = Object.keys(STATES);

const collator = new Intl.Collator(undefined, { numeric: true });

const part = (id) => document.getElementById(id);

export class Table {
  /**
   * `items` is a Map of number -> item, `kind` theirs; `files` a Map of name -> File for those that
   * this browser sent; `onOpen(item, list)` is called for the row that a person wants to see.
   */
  constructor({ kind, items, files, onOpen }) {
    Object.assign(this, { kind, items, files, onOpen });
    this.columns = columns(kind);
    this.sorting = { column: "n", down: false };
    this.first = 0;
    this.shown = [];
    this.nodes = new Map(); // item number -> {row, item}
    this.thumbs = new Map(); // name -> address of a small picture
    this.head();
    this.body = part("table").tBodies[0];
    this.body.addEventListener("click", (event) => this.clicked(event));
    for (const id of ["by-name", "by-state", "by-label"]) {
      part(id).addEventListener("input", () => this.sieve());
    }
    for (const button of part("pager").querySelectorAll("button")) {
      button.addEventListener("click", () => this.turn(Number(button.dataset.step)));
    }
  }

  head() {
    const row = part("table").tHead.rows[0];
    row.replaceChildren(
      ...this.columns.map(({ id, words, className = "" }) => {
        const button = el("button", { type: "button", className: "sorter" }, words);
        button.addEventListener("click", () => this.sortBy(id));
        const cell = el("th", { scope: "col", className }, button);
        cell.dataset.column = id;
        return cell;
      }),
    );
  }

  sortBy(column) {
    const same = this.sorting.column === column;
    const down = same ? !this.sorting.down : ["score", "ms"].includes(column);
    this.sorting = { column, down };
    this.first = 0;
    this.show();
  }

  sieve() {
    this.first = 0;
    this.show();
  }

  turn(step) {
    this.first = Math.max(0, this.first + step * ROWS);
    this.show();
    part("results").scrollIntoView({ block: "start" });
  }

  /** Show the items as they are now. */
  show() {
    this.offerStates();
    this.offerLabels();
    this.shown = this.sorted([...this.items.values()].filter(this.sifter()));
    if (this.first >= this.shown.length) this.first = 0;
    const page = this.shown.slice(this.first, this.first + ROWS);
    this.place(page.map((item) => this.row(item)));
    this.mark();
    this.tell(page.length);
  }

  /** Only what changed is touched: a row in the hand of a person must not be replaced. */
  place(rows) {
    rows.forEach((row, i) => {
      const there = this.body.rows[i];
      if (there !== row) this.body.insertBefore(row, there ?? null);
    });
    while (this.body.rows.length > rows.length) this.body.deleteRow(-1);
  }

  sifter() {
    const name = part("by-name").value.trim().toLocaleLowerCase();
    const state = part("by-state").value;
    const label = part("by-label").value;
    return (item) =>
      (!name || item.name.toLocaleLowerCase().includes(name)) &&
      (!state || item.state === state) &&
      (!label || labelsOf(this.kind, item).some((each) => `=${each.label}` === label));
  }

  sorted(items) {
    const { column, down } = this.sorting;
    const value = this.columns.find(({ id }) => id === column)?.value ?? (({ n }) => n);
    const sign = down ? -1 : 1;
    return items
      .map((item) => [value(item), item])
      .sort(([a, one], [b, other]) => sign * compare(a, b) || one.n - other.n)
      .map(([, item]) => item);
  }

  row(item) {
    const known = this.nodes.get(item.n);
    if (known?.item === item) return known.row;
    const cells = this.columns.map((column) => column.cell(item, this));
    if (known) known.row.replaceChildren(...cells);
    const row = known?.row ?? el("tr", {}, ...cells);
    row.dataset.n = item.n;
    this.nodes.set(item.n, { row, item });
    return row;
  }

  mark() {
    for (const cell of part("table").tHead.rows[0].cells) {
      const sorts = cell.dataset.column === this.sorting.column;
      cell.setAttribute("aria-sort", sorts ? (this.sorting.down ? "descending" : "ascending") : "none");
    }
  }

  tell(rows) {
    const all = this.shown.length;
    const words = part("pager").querySelector("[role=status]");
    const [from, to] = [number(this.first + 1), number(this.first + rows)];
    const told = all
      ? t("{from} to {to} of {all}", { from, to, all: number(all) })
      : t("No photo is like that. Ask for less.");
    if (words.textContent !== told) words.textContent = told;
    const [previous, next] = part("pager").querySelectorAll("button");
    previous.disabled = this.first === 0;
    next.disabled = this.first + rows >= all;
    previous.hidden = next.hidden = all <= ROWS;
  }

  clicked(event) {
    const row = event.target.closest("tr");
    const item = row && this.items.get(Number(row.dataset.n));
    if (item?.task) this.onOpen(item, this.shown);
  }

  offerStates() {
    const there = new Set([...this.items.values()].map(({ state }) => state));
    const options = ORDER.filter((state) => there.has(state)).map((state) => [state, STATES[state][0]]);
    offer(part("by-state"), options);
  }

  offerLabels() {
    const counts = countsOf(this.kind, this.items.values()).slice(0, MOST_LABELS);
    offer(part("by-label"), counts.map(([label]) => [`=${label}`, shownLabel(label)]).sort((a, b) => compare(a[1], b[1])));
  }

  /** The small picture of a photo that this browser has; it comes when it is ready. */
  thumb(item) {
    const image = el("img", { className: "thumb", alt: "", width: 40, height: 40 });
    const file = this.files.get(item.name);
    if (this.thumbs.has(item.name)) image.src = this.thumbs.get(item.name);
    else if (file) {
      thumbOf(file).then((blob) => {
        if (!blob) {
          image.remove();
          return;
        }
        if (!this.thumbs.has(item.name)) this.thumbs.set(item.name, URL.createObjectURL(blob));
        image.src = this.thumbs.get(item.name);
      });
    }
    return file ? image : "";
  }
}

function columns(kind) {
  const numeric = (words) => el("td", { className: "number" }, words);
  return [
    { id: "n", words: "#", className: "number", value: ({ n }) => n, cell: ({ n }) => numeric(number(n)) },
    { id: "name", words: t("Name"), value: ({ name }) => name, cell: nameCell },
    { id: "state", words: t("State"), value: ({ state }) => ORDER.indexOf(state), cell: stateCell },
    {
      id: "answer",
      words: t("Answer"),
      value: (item) => lineOf(kind, item),
      cell: (item) => answerCell(kind, item),
    },
    {
      id: "score",
      words: t("Score"),
      className: "number",
      value: (item) => scoreOf(item) ?? -1,
      cell: (item) => numeric(scoreWords(item)),
    },
    {
      id: "ms",
      words: t("ms"),
      className: "number",
      value: ({ ms }) => ms ?? -1,
      cell: ({ ms }) => numeric(ms == null ? "" : number(ms)),
    },
  ];
}

function nameCell(item, table) {
  const name = item.name || t("(no name)");
  const words = item.task ? el("button", { type: "button", className: "opener" }, name) : el("span", {}, name);
  return el("th", { scope: "row", className: "name" }, el("div", {}, table.thumb(item), words));
}

function answerCell(kind, item) {
  const words = lineOf(kind, item);
  // Where there is no room for the states, this cell tells them.
  const inPlace = words ? "" : el("span", { className: "in-place quiet" }, STATES[item.state]?.[0] ?? "");
  return el("td", { className: item.error ? "label bad" : "label" }, words, inPlace);
}

function stateCell({ state }) {
  const [words, look] = STATES[state] ?? [state, ""];
  return el("td", {}, el("span", { className: `badge ${look}` }, words));
}

function compare(a, b) {
  return typeof a === "string" ? collator.compare(a, b) : a - b;
}

// The choices of a list, changed only where they differ, so that an open one stays open.
function offer(select, options) {
  const key = JSON.stringify(options);
  if (select.dataset.offered === key) return;
  select.dataset.offered = key;
  const chosen = select.value;
  select.replaceChildren(
    el("option", { value: "" }, t("all")),
    ...options.map(([value, words]) => el("option", { value }, words)),
  );
  select.value = options.some(([value]) => value === chosen) ? chosen : "";
}
