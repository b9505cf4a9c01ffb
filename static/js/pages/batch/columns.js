// The columns of a batch's table.

/** @import { Item } from "./rows.js" */

import { el } from "../../shared/dom.js";
import { number, t } from "../../shared/i18n.js";
import { lineOf, scoreOf, scoreWords, STATES } from "./rows.js";

/** @typedef {(item: Item) => HTMLElement | string} Thumb makes the thumbnail of a photo, or "" */

/**
 * A column: its heading, what it sorts by, and its cell of one photo.
 *
 * @typedef {object} Column
 * @property {string} id
 * @property {string} words
 * @property {string} [className]
 * @property {(item: Item) => string | number} value
 * @property {(item: Item, thumb: Thumb) => HTMLElement} cell
 */

export const STATE_ORDER = Object.keys(STATES);

/**
 * @param {string} kind
 * @returns {Column[]}
 */
export function columnsOf(kind) {
  const numeric = (/** @type {string} */ words) => el("td", { className: "number" }, words);
  return [
    { id: "n", words: "#", className: "number", value: ({ n }) => n, cell: ({ n }) => numeric(number(n)) },
    { id: "name", words: t("Name"), value: ({ name }) => name, cell: nameCell },
    { id: "state", words: t("State"), value: ({ state }) => STATE_ORDER.indexOf(state), cell: stateCell },
    {
      id: "answer",
      words: t("Result"),
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

/**
 * @param {Item} item
 * @param {Thumb} thumb
 */
function nameCell(item, thumb) {
  const name = item.name || t("(no name)");
  const words = item.task ? el("button", { type: "button", className: "opener" }, name) : el("span", {}, name);
  return el("th", { scope: "row", className: "name" }, el("div", {}, thumb(item), words));
}

/**
 * @param {string} kind
 * @param {Item} item
 */
function answerCell(kind, item) {
  const words = lineOf(kind, item);
  // Where there is no room for the column of states, this cell has them.
  const inPlace = words ? "" : el("span", { className: "in-place quiet" }, STATES[item.state]?.[0] ?? "");
  return el("td", { className: item.error ? "label bad" : "label" }, words, inPlace);
}

/** @param {Item} item */
function stateCell({ state }) {
  const [words, look] = STATES[state] ?? [state, ""];
  return el("td", {}, el("span", { className: `badge ${look}` }, words));
}
