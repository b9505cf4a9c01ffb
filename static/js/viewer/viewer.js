// One result to look at, on every page that has any.

/** @import { Answer } from "../shared/api.js" */

import { el } from "../shared/dom.js";
import { t } from "../shared/i18n.js";
import { address, draws } from "../shared/kinds.js";
import { hasBoxes } from "./answer.js";
import { classes, photo } from "./classes.js";
import { failure } from "./failure.js";
import { objects } from "./objects.js";
import { facts, saves } from "./saves.js";

export { labelsOf, labelText, namesLine, predictionsOf, summaryOf } from "./answer.js";
export { colorOf } from "./color.js";
export { csvFile, csvOf, csvRows } from "./csv.js";
export { save } from "./saves.js";

/**
 * What a view is made of: the result document, a failure too; the address of the photo, or ""; its
 * file name, or ""; and the level of the view's heading.
 *
 * @typedef {{ answer: Answer, picture: string, name: string, level: number }} View
 */

/**
 * Make a view of one result: the photo, its labels or objects, ways to save it. Needs
 * css/viewer.css. A result with boxes gets boxes, any other gets labels.
 *
 * @param {object} options
 * @param {string} options.kind
 * @param {Answer | null} options.answer
 * @param {string} [options.picture] address of the photo, or ""
 * @param {string} [options.task] with `key` opens the annotated picture, left out without them
 * @param {string} [options.key]
 * @param {string} [options.name] file name of the photo
 * @param {number} [options.level] of the heading
 */
export function resultView({ kind, answer, picture = "", task = "", key = "", name = "", level = 3 }) {
  const result = answer ?? {};
  const view = { answer: result, picture, name: name || result.filename || "", level };
  const isDrawn = result.result_image && task && draws(kind);
  const annotated = isDrawn ? address(kind, "output", { task, key }) : "";
  const foot = el("div", { className: "view-foot" });
  const { state = "complete" } = result;
  if (state === "complete" || state === "failure") {
    foot.append(saves({ ...view, annotated }), facts(result));
  }
  return el("div", { className: "view" }, body({ ...view, annotated, foot }, state));
}

/**
 * @param {View & { annotated: string, foot: HTMLElement }} view
 * @param {string} state
 */
function body(view, state) {
  if (state === "failure") return pair(view, failure(view.answer));
  if (state !== "complete") {
    return pair(view, el("p", { className: "quiet" }, t("This photo has not been recognised yet.")));
  }
  return hasBoxes(view.answer) ? objects(view) : pair(view, classes(view));
}

/**
 * Show the photo, and words beside it.
 *
 * @param {View & { foot: HTMLElement }} view
 * @param {HTMLElement} words
 */
function pair({ picture, name, foot }, words) {
  const side = el("div", { className: "view-side" }, words);
  return el("div", { className: "view-pair" }, picture ? photo(picture, name) : "", side, foot);
}
