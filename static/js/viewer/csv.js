// Results as a table that spreadsheets read: RFC 4180, and no cell that they would run.

/** @import { Answer } from "../shared/api.js" */

import { predictionsOf } from "./answer.js";

/** @typedef {Record<string, string | number>} Row */

const COLUMNS = ["file", "label", "score", "x_min", "y_min", "x_max", "y_max"];
// A spreadsheet takes a text that begins like this for a formula.
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
// Without this mark some spreadsheets read UTF-8 as something else.
const BYTE_ORDER_MARK = "\ufeff";

/**
 * Make one row for each prediction; `name` is the photo's file name.
 *
 * @param {{ answer: Answer, name?: string }} result
 * @returns {Row[]}
 */
export function csvRows({ answer, name }) {
  return predictionsOf(answer).map(({ label, score, box }) => ({
    file: name ?? answer.filename ?? "",
    label,
    score,
    ...(box ? { x_min: box.x1, y_min: box.y1, x_max: box.x2, y_max: box.y2 } : {}),
  }));
}

/**
 * Write rows of `csvRows` as text with a line of column names.
 *
 * @param {Row[]} rows
 */
export function csvOf(rows) {
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","));
  return `${[COLUMNS.join(","), ...lines].join("\r\n")}\r\n`;
}

/** @param {string | number | undefined | null} value */
function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Write rows of `csvRows` as a file.
 *
 * @param {Row[]} rows
 */
export function csvFile(rows) {
  return new Blob([BYTE_ORDER_MARK, csvOf(rows)], { type: "text/csv;charset=utf-8" });
}
