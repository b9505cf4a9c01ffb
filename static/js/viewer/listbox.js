// Objects as the options of a list box, rows or boxes: pointer, keyboard, one stop of the Tab key.

/** @import { Scene } from "./scene.js" */

/** @typedef {Element & HTMLOrSVGElement & GlobalEventHandlers} Part HTML or SVG */

import { closest } from "../shared/dom.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/**
 * Make `nodes` (one for each object, in `root`) the options of a list box over `scene`.
 * `onReach(index)` is called when the keyboard or a click gets to one.
 *
 * @param {Part} root
 * @param {Part[]} nodes
 * @param {Scene} scene
 * @param {(index: number) => void} onReach
 */
export function listbox(root, nodes, scene, onReach) {
  const box = /** @type {HTMLElement} */ (/** @type {unknown} */ (root)); // for its events' types
  const indexOf = (/** @type {EventTarget | null} */ target) => {
    const node = closest(target, "[data-index]");
    return node && box.contains(node) ? Number(node.dataset.index) : null;
  };
  const stop = { at: 0 };
  const moveStop = (/** @type {number} */ index) => {
    nodes[stop.at]?.setAttribute("tabindex", "-1");
    stop.at = index;
    nodes[index]?.setAttribute("tabindex", "0");
  };
  const go = (/** @type {number} */ index) => {
    moveStop(index);
    nodes[index].focus({ preventScroll: true });
    onReach(index);
  };
  nodes.forEach((node, index) => {
    node.dataset.index = String(index);
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", "false");
    node.setAttribute("tabindex", "-1");
  });
  box.setAttribute("role", "listbox");
  box.addEventListener("pointerover", (event) => scene.hover(indexOf(event.target)));
  box.addEventListener("pointerout", (event) => scene.hover(indexOf(event.relatedTarget)));
  box.addEventListener("focusin", (event) => scene.focus(indexOf(event.target)));
  box.addEventListener("focusout", () => scene.focus(null));
  box.addEventListener("click", (event) => {
    const index = indexOf(event.target);
    if (index === null) return;
    scene.choose(scene.chosen === index ? null : index);
    go(index);
  });
  box.addEventListener("keydown", (event) => {
    const index = indexOf(event.target);
    if (index === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) go(scene.next(index, STEPS[event.key]));
    else if (event.key === "Home") go(scene.next(-1, 1));
    else if (event.key === "End") go(scene.next(nodes.length, -1));
    else if (event.key === "Escape") scene.choose(null);
    else if (event.key === "Enter" || event.key === " ") {
      scene.choose(scene.chosen === index ? null : index);
    } else return;
    event.preventDefault();
  });
  scene.on("shown", () => {
    if (!scene.shown[stop.at]) moveStop(Math.max(0, scene.shown.indexOf(true)));
  });
  scene.on("chosen", () => {
    for (const [index, node] of nodes.entries()) {
      const value = String(index === scene.chosen);
      if (node.getAttribute("aria-selected") !== value) node.setAttribute("aria-selected", value);
    }
  });
  moveStop(0);
}
