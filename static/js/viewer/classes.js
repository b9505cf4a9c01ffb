// A classification: the photo, the best answer large, the others as bars below it.

import { el } from "../shared/dom.js";
import { percent, t, tn } from "../shared/i18n.js";
import { predictionsOf, shownLabel } from "./answer.js";

const UNSURE = 0.3; // a best score below this is a guess
const FIRST = 10; // bars shown at once

/** The photo in its frame; it takes itself away when it cannot be shown. */
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

/** What the model says the photo is, best first. */
export function classes({ kind, answer, level }) {
  const rows = predictionsOf(kind, answer);
  if (rows.length === 0) {
    const help = t("No answer was certain enough. Try a sharper, brighter or closer photo.");
    return el(
      "div",
      { className: "view-sieve" },
      el(`h${level}`, { className: "view-title" }, t("Nothing found")),
      el("p", { className: "quiet" }, help),
    );
  }
  const [best, ...others] = rows;
  const bars = others.map((row) => bar(row));
  bars.slice(FIRST - 1).forEach((node) => (node.hidden = true));
  return el(
    "div",
    { className: "view-classes" },
    el(`h${level}`, { className: "unseen" }, t("Most likely")),
    unsure(best),
    el("ol", { className: "view-bars" }, bar(best), ...bars),
    ...more(bars.slice(FIRST - 1)),
  );
}

function unsure({ score }) {
  if (score >= UNSURE) return "";
  return el(
    "p",
    { className: "view-note" },
    t("The model is not sure: even its best guess has only {percent}.", { percent: percent(score) }),
  );
}

function bar({ label, score }) {
  const fill = el("span", { className: "view-fill" });
  fill.style.width = `${Math.min(100, Math.max(0, 100 * score))}%`;
  return el(
    "li",
    { className: "view-bar" },
    el("span", { className: "label", dir: "auto", title: label }, shownLabel(label)),
    el("span", { className: "percent" }, percent(score)),
    el("span", { className: "view-track", "aria-hidden": "true" }, fill),
  );
}

function more(bars) {
  if (bars.length === 0) return [];
  const words = tn(bars.length, "Show {n} more", "Show {n} more");
  const button = el("button", { type: "button", className: "view-all" }, words);
  button.addEventListener("click", () => {
    for (const node of bars) node.hidden = false;
    button.remove();
  });
  return [button];
}
