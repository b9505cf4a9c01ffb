// One result, to be looked at: on every page that has any.

import { el } from "../shared/dom.js";
import { t } from "../shared/i18n.js";
import { address } from "../shared/kinds.js";
import { detects } from "./answer.js";
import { classes, photo } from "./classes.js";
import { failure } from "./failure.js";
import { objects } from "./objects.js";
import { facts, saves } from "./saves.js";

export { labelsOf, predictionsOf, shownLabel, summaryOf } from "./answer.js";
export { colorOf } from "./color.js";
export { csvFile, csvOf, csvRows } from "./csv.js";
export { save } from "./saves.js";

/**
 * Everything about one result: the photo, what was found in it, ways to keep it.
 *
 * `answer` is the result document, a failure too; `picture` an address of the photo, or "";
 * `task` and `key` open the annotated picture, which is left out without them; `name` is the
 * photo's file name; `level` that of the view's heading. Needs css/viewer.css.
 */
export function resultView({ kind, answer, picture = "", task = "", key = "", name = "", level = 3 }) {
  const known = answer ?? {};
  const given = { kind, answer: known, picture, task, key, name: name || known.filename || "", level };
  const foot = el("div", { className: "view-foot" });
  const { state = "complete" } = known;
  if (state === "complete" || state === "failure") foot.append(saves(given), facts(known));
  return el("div", { className: "view" }, body({ ...given, foot }, state));
}

function body(given, state) {
  const { kind, answer, task, key } = given;
  if (state === "failure") return pair(given, failure(answer));
  if (state !== "complete") {
    return pair(given, el("p", { className: "quiet" }, t("This photo has not been recognised yet.")));
  }
  if (!detects(kind)) return pair(given, classes(given));
  const drawn = answer.result_image && task ? address(kind, "output", { task, key }) : "";
  return objects({ ...given, drawn });
}

/** The photo, and what there is to say beside it. */
function pair({ picture, name, foot }, words) {
  const side = el("div", { className: "view-side" }, words);
  return el("div", { className: "view-pair" }, picture ? photo(picture, name) : "", side, foot);
}
