// A detection: the photo under its live boxes on one side; threshold, legend and rows on the other.

/** @import { Answer } from "../shared/api.js" */
/** @import { Detection } from "./answer.js" */
/** @import { View } from "./viewer.js" */

import { el, heading } from "../shared/dom.js";
import { number, t, tn, wholePercent } from "../shared/i18n.js";
import { detectionsOf, isUnlisted, labelsOf } from "./answer.js";
import { legend, Rows } from "./lists.js";
import { Overlay } from "./overlay.js";
import { Scene } from "./scene.js";
import { Stage } from "./stage.js";

/**
 * Show the objects of a photo.
 *
 * @param {View & { annotated: string, foot: HTMLElement }} view `annotated`: address of the
 *   annotated picture, or ""
 */
export function objects({ answer, picture, annotated, name, level, foot }) {
  const detections = detectionsOf(answer);
  const floor = lowestScore(answer, detections);
  const scene = new Scene(detections, floor);
  const unlisted = isUnlisted(answer);
  const boxes = detections.length > 0;
  // A picture without objects has nothing drawn on it.
  const layers = { boxes, annotated: boxes || unlisted ? annotated : "" };
  const stage = new Stage({ picture, name, size: answer.image, ...layers });
  const side = el("div", { className: "view-side" });
  const node = el("div", { className: "view-objects" }, stage.node, side, foot);
  if (!boxes) {
    side.append(...nothing(unlisted, answer, level));
    return node;
  }
  stage.whenSized((size) => draw(scene, stage, size));
  const onUse = () => stage.show("boxes");
  const rows = new Rows(scene, (index) => {
    onUse();
    stage.reveal(index);
  });
  stage.onReach = (index) => rows.reveal(index);
  const filters = [
    title(scene, level),
    threshold(scene, floor, onUse),
    legend(scene, labelsOf(answer), onUse),
  ];
  side.append(el("div", { className: "view-sieve" }, ...filters), rows.node, nothingLeft(scene));
  return node;
}

/**
 * @param {Scene} scene
 * @param {Stage} stage
 * @param {{ width: number, height: number }} size
 */
function draw(scene, stage, size) {
  const overlay = new Overlay(scene, size, (index) => {
    stage.reveal(index);
    stage.onReach(index);
  });
  stage.carry(overlay);
}

/**
 * Find the lowest score that the answer can hold, in whole percents.
 *
 * @param {Answer} answer
 * @param {Detection[]} detections
 */
function lowestScore(answer, detections) {
  const asked = parseFloat(String(answer.threshold));
  const least = Math.min(...detections.map(({ score }) => score), 1);
  const floor = Number.isFinite(asked) ? Math.min(asked, least) : least;
  return Math.min(1, Math.max(0, Math.floor(100 * floor + 1e-9) / 100));
}

/**
 * @param {Scene} scene
 * @param {number} level
 */
function title(scene, level) {
  const node = heading(level, { className: "view-title" });
  const spoken = el("p", { className: "unseen", role: "status" });
  let muted = scene.muted.size;
  const update = () => {
    node.textContent = amount(scene);
    // The slider is read aloud by itself; a second voice would talk over it.
    if (muted !== scene.muted.size) spoken.textContent = amount(scene);
    muted = scene.muted.size;
  };
  scene.on("shown", update);
  update();
  return el("div", {}, node, spoken);
}

/** @param {Scene} scene */
function amount(scene) {
  const all = scene.objects.length;
  const visible = scene.shownCount;
  if (visible === all) return tn(all, "{n} object", "{n} objects");
  return tn(all, "{shown} of {n} object", "{shown} of {n} objects", { shown: number(visible) });
}

/**
 * @param {Scene} scene
 * @param {number} floor
 * @param {() => void} onUse
 */
function threshold(scene, floor, onUse) {
  const slider = el("input", {
    type: "range",
    min: String(floor),
    max: "1",
    step: "0.01",
    value: String(floor),
    disabled: floor >= 1,
  });
  const value = el("span", { className: "percent", "aria-hidden": "true" });
  const update = () => {
    value.textContent = wholePercent(scene.threshold);
    slider.setAttribute(
      "aria-valuetext",
      t("at least {percent}: {objects}", { percent: wholePercent(scene.threshold), objects: amount(scene) }),
    );
  };
  slider.addEventListener("input", () => {
    scene.setThreshold(Number(slider.value));
    onUse();
  });
  scene.on("shown", update);
  update();
  return el(
    "label",
    { className: "view-threshold" },
    el("span", { className: "quiet small" }, t("Confidence threshold")),
    value,
    slider,
  );
}

/**
 * Make the sentence that stands in place of rows while threshold and labels leave none.
 *
 * @param {Scene} scene
 */
function nothingLeft(scene) {
  const words = el("p", { className: "quiet view-none" });
  const update = () => {
    words.hidden = scene.shownCount > 0;
    words.textContent = t("No objects to show. Lower the threshold or show more labels.");
  };
  scene.on("shown", update);
  update();
  return words;
}

/**
 * @param {boolean} unlisted
 * @param {Answer} answer
 * @param {number} level
 */
function nothing(unlisted, answer, level) {
  const head = (/** @type {string} */ words) => heading(level, { className: "view-title" }, words);
  const quiet = (/** @type {string} */ words) => el("p", { className: "quiet" }, words);
  if (unlisted) {
    return [
      head(t("See the annotated picture")),
      quiet(t("This older result has its objects in the picture only.")),
    ];
  }
  const asked = parseFloat(String(answer.threshold));
  return [
    head(t("Nothing found")),
    quiet(
      Number.isFinite(asked)
        ? t("No object reached {percent}. Try a lower threshold, or a sharper or closer photo.", {
            percent: wholePercent(asked),
          })
        : t("No object reached the confidence threshold. Try a lower threshold, or a sharper or closer photo."),
    ),
  ];
}
