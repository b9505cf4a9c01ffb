// An answer of the server on the page: JSON and text as text, pictures as pictures.

import { el } from "../../shared/dom.js";
import { number, size, t } from "../../shared/i18n.js";
import { eachLine } from "./lines.js";

const OF_NOTE = [
  "Content-Type",
  "Content-Disposition",
  "Retry-After",
  "Location",
  "Allow",
  "ETag",
  "Cache-Control",
];
const MAX_LENGTH = 100_000; // characters
const MAX_LINES = 500; // of an event stream

/**
 * Summarise the answer in one line.
 *
 * @param {Response} response
 * @param {number} ms
 */
export function firstLine(response, ms) {
  const name = response.statusText ? `${response.status} ${response.statusText}` : response.status;
  return t("Answered {status} after {ms} ms", { status: name, ms: number(Math.round(ms), 0) });
}

/** @param {Response} response */
function headersOf(response) {
  const list = el("dl", { className: "headers" });
  for (const name of OF_NOTE) {
    const value = response.headers.get(name);
    if (value) list.append(el("dt", {}, name), el("dd", {}, value));
  }
  return list;
}

/** @param {string} text */
function block(text) {
  const cut = text.length > MAX_LENGTH;
  const pre = el("pre", { tabIndex: 0 }, el("code", {}, cut ? text.slice(0, MAX_LENGTH) : text));
  pre.setAttribute("aria-label", t("The body of the answer"));
  pre.setAttribute("role", "region");
  return pre;
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 * @param {(url: string) => string} keep
 */
function fileOf(blob, name, keep) {
  const url = keep(URL.createObjectURL(blob));
  return el("a", { href: url, download: name, className: "button" }, t("Save {name}", { name }));
}

/**
 * @param {Response} response
 * @param {Element} box
 */
async function streamOf(response, box) {
  const code = el("code");
  const pre = block("");
  pre.replaceChildren(code);
  box.append(pre);
  let lines = 0;
  await eachLine(response, (line) => {
    lines += 1;
    if (lines > MAX_LINES) code.firstChild?.remove();
    code.append(`${line}\n`);
    pre.scrollTop = pre.scrollHeight;
  });
}

/**
 * Fill `box` with the answer. Resolves to its JSON, or null.
 *
 * @param {Element} box
 * @param {Response} response
 * @param {object} options
 * @param {string} [options.save] name of a file to save
 * @param {(url: string) => string} options.keep remembers an object URL until it is released
 */
export async function showAnswer(box, response, { save, keep }) {
  box.replaceChildren(headersOf(response));
  const type = response.headers.get("Content-Type") ?? "";
  if (type.startsWith("text/event-stream")) {
    await streamOf(response, box);
    return null;
  }
  const blob = await response.blob();
  if (type.startsWith("image/")) {
    const picture = el("img", { src: keep(URL.createObjectURL(blob)), alt: t("The picture") });
    box.append(picture, el("p", { className: "quiet small" }, size(blob.size)));
    if (response.ok) box.append(fileOf(blob, save || "picture", keep));
    return null;
  }
  const isText = /^(application\/json|text\/)/.test(type);
  if (!isText) {
    if (blob.size) box.append(fileOf(blob, save || "answer", keep));
    return null;
  }
  const text = await blob.text();
  if (text) box.append(block(type.startsWith("application/json") ? pretty(text) : text));
  if (save && response.ok) box.append(fileOf(blob, save, keep));
  try {
    return type.startsWith("application/json") ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
