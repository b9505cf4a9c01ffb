// Ways to save a result, and the quiet facts about how it came about.

/** @import { Answer } from "../shared/api.js" */
/** @import { View } from "./viewer.js" */

import { el } from "../shared/dom.js";
import { number, t } from "../shared/i18n.js";
import { csvFile, csvRows } from "./csv.js";

/**
 * Let the reader save `blob` as a file called `name`.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const href = URL.createObjectURL(blob);
  el("a", { href, download: name }).click();
  // Some browsers read the address only after the click is over.
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/**
 * @param {Event} event
 * @param {string} href
 * @param {string} name
 */
async function download(event, href, name) {
  event.preventDefault();
  try {
    const response = await fetch(href);
    if (!response.ok) throw new Error(response.statusText);
    save(await response.blob(), name);
  } catch {
    location.assign(href); // the server's own page says what is wrong
  }
}

/**
 * @param {string} href
 * @param {string} file
 * @param {string} words
 * @param {string} title
 */
function saveLink(href, file, words, title) {
  const props = { className: "button", href, download: file, "aria-label": title, title };
  const node = el("a", props, words);
  // The server's own name for the file would win over this one.
  if (href.startsWith("/")) node.addEventListener("click", (event) => download(event, href, file));
  return node;
}

/**
 * @param {() => Blob} make
 * @param {string} file
 * @param {string} words
 * @param {string} title
 */
function saveButton(make, file, words, title) {
  const props = { type: "button", className: "button", "aria-label": title, title };
  const node = el("button", props, words);
  node.addEventListener("click", () => save(make(), file));
  return node;
}

/**
 * Make buttons for the annotated picture, the data as JSON and CSV, and the photo itself.
 *
 * @param {View & { annotated: string }} view `annotated`: address of the annotated picture, or ""
 */
export function saves({ answer, picture, annotated, name }) {
  const file = name || answer.filename || "photo";
  const stem = file.replace(/\.[^.]*$/, "") || "photo";
  const json = () => new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" });
  const csv = () => csvFile(csvRows({ answer, name: file }));
  /** @type {HTMLElement[]} */
  const nodes = [saveButton(json, `${stem}.json`, "JSON", t("Data, JSON"))];
  if (annotated) {
    nodes.unshift(saveLink(annotated, `${stem}-boxes.png`, "PNG", t("Annotated picture, PNG")));
  }
  if (answer.state !== "failure") {
    nodes.push(saveButton(csv, `${stem}.csv`, "CSV", t("Table, CSV")));
  }
  if (picture) nodes.push(saveLink(picture, file, t("Photo"), t("Original photo")));
  return el(
    "div",
    { className: "view-saves", role: "group", "aria-label": t("Download") },
    el("span", { className: "quiet small", "aria-hidden": "true" }, t("Download")),
    ...nodes,
  );
}

/**
 * List model, engine, pixels, times and inference batch in one line, as far as the answer has them.
 *
 * @param {Answer} answer
 */
export function facts(answer) {
  const { width, height } = answer.image ?? {};
  const { infer_ms: infer, waited_ms: waited } = answer.timing ?? {};
  const { batch = 0 } = answer;
  const parts = [
    answer.model && t("model {name}", { name: answer.model }),
    answer.engine,
    width && height && t("{width} × {height} px", { width: number(width), height: number(height) }),
    isNumber(infer) && t("{ms} ms in the model", { ms: number(infer) }),
    isNumber(waited) && t("{ms} ms in the queue", { ms: number(waited, 0) }),
    batch > 1 && t("inference batch of {n}", { n: number(batch) }),
  ];
  const items = parts.filter(Boolean).map((part) => el("li", {}, String(part)));
  const label = t("Recognition details");
  return el("ul", { className: "view-facts quiet small", "aria-label": label }, ...items);
}

/**
 * @param {unknown} value
 * @returns {value is number}
 */
function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
