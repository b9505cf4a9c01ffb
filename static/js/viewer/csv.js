// Results as a table that spreadsheets read: RFC 4180, and no cell that they would run.

import { predictionsOf } from "./answer.js";

const COLUMNS = ["file", "label", "score", "x_min", "y_min", "x_max", "y_max"];
// A spreadsheet takes a text that begins like this for a formula.
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
// Without this mark some spreadsheets read UTF-8 as something else.
const BYTE_ORDER_MARK = "\ufeff";

/** One row for each prediction of an answer; `name` is the photo's file name. */
export function csvRows({ kind, answer, name }) {
  return predictionsOf(kind, answer).map(({ label, score, box }) => ({
    file: name ?? answer.filename ?? "",
    label,
    score,
    ...(box ? { x_min: box.x1, y_min: box.y1, x_max: box.x2, y_max: box.y2 } : {}),
  }));
}

/** Rows of `csvRows` as text with a line of column names. */
export function csvOf(rows) {
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","));
  return `${[COLUMNS.join(","), ...lines].join("\r\n")}\r\n`;
}

function cell(value) {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Rows of `csvRows` as a file. */
export function csvFile(rows) {
  return new Blob([BYTE_ORDER_MARK, csvOf(rows)], { type: "text/csv;charset=utf-8" });
}
