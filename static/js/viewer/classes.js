// A classification: the photo, the best label large, the others as bars below it.

/** @import { Answer } from "../shared/api.js" */
/** @import { Prediction } from "./answer.js" */

import { el, heading } from "../shared/dom.js";
import { percent, t, tn } from "../shared/i18n.js";
import { labelText, predictionsOf } from "./answer.js";

const UNSURE = 0.3; // a best score below this is a guess
const FIRST = 10; // bars visible at first

/**
 * Show the photo in a frame; a sentence takes its place when it cannot be shown.
 *
 * @param {string} picture address
 * @param {string} name of the file, or ""
 */
export function photo(picture, name) {
  const alt = name ? t("The photo {name}", { name }) : t("The photo");
  const image = el("img", { className: "view-photo", alt });
  const frame = el("div", { className: "view-frame" }, image);
  image.addEventListener("load", () => {
    const { naturalWidth: width, naturalHeight: height } = image;
    if (width && height) frame.style.setProperty("--ratio", String(width / height));
  });
  image.addEventListener("error", () => {
    const words = t("The photo cannot be shown here.");
    frame.replaceChildren(el("p", { className: "quiet small view-missing" }, words));
  });
  image.src = picture;
  return frame;
}

/**
 * Show the labels of the whole photo, best first.
 *
 * @param {{ answer: Answer, level: number }} options `level` of the heading
 */
export function classes({ answer, level }) {
  const [best, ...others] = predictionsOf(answer);
  if (!best) {
    const help = t("No label reached the confidence threshold. Try a sharper, brighter or closer photo.");
    return el(
      "div",
      { className: "view-sieve" },
      heading(level, { className: "view-title" }, t("Nothing found")),
      el("p", { className: "quiet" }, help),
    );
  }
  const bars = others.map((row) => bar(row));
  const later = bars.slice(FIRST - 1);
  for (const node of later) node.hidden = true;
  return el(
    "div",
    { className: "view-classes" },
    heading(level, { className: "unseen" }, t("Most likely")),
    unsureNote(best),
    el("ol", { className: "view-bars" }, bar(best), ...bars),
    moreButton(later),
  );
}

/** @param {Prediction} best */
function unsureNote({ score }) {
  if (score >= UNSURE) return "";
  return el(
    "p",
    { className: "view-note" },
    t("The model is not sure: its best guess has only {percent}.", { percent: percent(score) }),
  );
}

/** @param {Prediction} prediction */
function bar({ label, score }) {
  const fill = el("span", { className: "view-fill" });
  fill.style.width = `${Math.min(100, Math.max(0, 100 * score))}%`;
  return el(
    "li",
    { className: "view-bar" },
    el("span", { className: "label", dir: "auto", title: label }, labelText(label)),
    el("span", { className: "percent" }, percent(score)),
    el("span", { className: "view-track", "aria-hidden": "true" }, fill),
  );
}

/** @param {HTMLElement[]} bars */
function moreButton(bars) {
  if (bars.length === 0) return "";
  const words = tn(bars.length, "Show {n} more", "Show {n} more");
  const button = el("button", { type: "button", className: "view-all" }, words);
  button.addEventListener("click", () => {
    for (const node of bars) node.hidden = false;
    button.remove();
  });
  return button;
}
