// A detection: the photo under its live boxes on one side; threshold, legend and rows on the other.

import { el } from "../shared/dom.js";
import { number, t, tn } from "../shared/i18n.js";
import { isUnlisted, labelsOf, predictionsOf } from "./answer.js";
import { legend, Rows } from "./lists.js";
import { Overlay } from "./overlay.js";
import { Scene } from "./scene.js";
import { Stage } from "./stage.js";

/** What was found in the photo, to look into. `drawn`: address of the annotated picture, or "". */
export function objects({ kind, answer, picture, drawn, name, level, foot }) {
  const found = predictionsOf(kind, answer);
  const { floor, step } = lowest(answer, found);
  const scene = new Scene(found, floor);
  const unlisted = isUnlisted(kind, answer);
  // A picture in which nothing was found has nothing drawn on it.
  const views = { boxes: found.length > 0, drawn: found.length > 0 || unlisted ? drawn : "" };
  const stage = new Stage({ picture, name, size: answer.image, ...views });
  const side = el("div", { className: "view-side" });
  const node = el("div", { className: "view-objects" }, stage.node, side, foot);
  if (found.length === 0) {
    side.append(...nothing(unlisted, answer, level));
    return node;
  }
  stage.whenSized((size) => draw(scene, stage, size));
  const used = () => stage.show("boxes");
  const rows = new Rows(scene, (index) => {
    used();
    stage.reveal(index);
  });
  stage.onReach = (index) => rows.reveal(index);
  const labels = labelsOf(kind, answer);
  const sieve = [
    heading(scene, level),
    threshold(scene, { floor, step }, used),
    legend(scene, labels, used),
  ];
  side.append(el("div", { className: "view-sieve" }, ...sieve), rows.node, beyond(scene));
  return node;
}

function draw(scene, stage, size) {
  const overlay = new Overlay(scene, size, (index) => {
    stage.reveal(index);
    stage.onReach(index);
  });
  stage.carry(overlay);
}

/** The least score that the answer can hold, and how finely the slider moves from there. */
function lowest(answer, found) {
  const asked = parseFloat(answer.threshold);
  const least = Math.min(...found.map(({ score }) => score), 1);
  const floor = Number.isFinite(asked) ? Math.min(asked, least) : least;
  return { floor: Math.min(1, Math.max(0, Math.floor(100 * floor + 1e-9) / 100)), step: 0.01 };
}

function heading(scene, level) {
  const title = el(`h${level}`, { className: "view-title" });
  const spoken = el("p", { className: "unseen", role: "status" });
  let muted = scene.muted.size;
  const update = () => {
    title.textContent = amount(scene);
    // The slider tells its own tale; a second voice would talk over it.
    if (muted !== scene.muted.size) spoken.textContent = amount(scene);
    muted = scene.muted.size;
  };
  scene.on("shown", update);
  update();
  return el("div", {}, title, spoken);
}

function amount(scene) {
  const all = scene.objects.length;
  const shown = scene.shownCount;
  if (shown === all) return tn(all, "{n} object", "{n} objects");
  return tn(all, "{shown} of {n} object", "{shown} of {n} objects", { shown: number(shown) });
}

function threshold(scene, { floor, step }, used) {
  const whole = (score) => `${Math.round(100 * score)}%`;
  const slider = el("input", {
    type: "range",
    min: String(floor),
    max: "1",
    step: String(step),
    value: String(floor),
    disabled: floor >= 1,
  });
  const value = el("span", { className: "percent", "aria-hidden": "true" });
  const update = () => {
    value.textContent = whole(scene.threshold);
    slider.setAttribute(
      "aria-valuetext",
      t("at least {percent}: {objects}", { percent: whole(scene.threshold), objects: amount(scene) }),
    );
  };
  slider.addEventListener("input", () => {
    scene.setThreshold(Number(slider.value));
    used();
  });
  scene.on("shown", update);
  update();
  return el(
    "label",
    { className: "view-threshold" },
    el("span", { className: "quiet small" }, t("Least confidence")),
    value,
    slider,
  );
}

/** What is said in place of rows while threshold and labels leave none. */
function beyond(scene) {
  const words = el("p", { className: "quiet view-none" });
  const update = () => {
    words.hidden = scene.shownCount > 0;
    words.textContent = t("Nothing is left: lower the threshold or show more labels.");
  };
  scene.on("shown", update);
  update();
  return words;
}

function nothing(drawnAlone, answer, level) {
  const title = (words) => el(`h${level}`, { className: "view-title" }, words);
  const quiet = (words) => el("p", { className: "quiet" }, words);
  if (drawnAlone) {
    return [
      title(t("See the annotated picture")),
      quiet(t("This older answer keeps its objects in the picture alone.")),
    ];
  }
  const asked = parseFloat(answer.threshold);
  return [
    title(t("Nothing found")),
    quiet(
      Number.isFinite(asked)
        ? t("No object reached {percent}. Try a lower threshold, or a sharper or closer photo.", {
            percent: `${Math.round(100 * asked)}%`,
          })
        : t("No object was certain enough. Try a lower threshold, or a sharper or closer photo."),
    ),
  ];
}
