// One photo of a batch with its whole result, in a dialog over the table.

/** @import { Item } from "./rows.js" */

import { el, find, findAll } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { resultView } from "../../viewer/viewer.js";

const dialog = find("#opened", document, HTMLDialogElement);
const body = find("#opened-body");
const steps = findAll("[data-step]", dialog, HTMLButtonElement);

/** @type {Item[]} */
let list = [];
let at = 0;
let kind = "";
let request = new AbortController();

/**
 * Open `item`; the buttons step through the `items` that have a photo.
 *
 * @param {string} kindOfBatch
 * @param {Item} item
 * @param {Item[]} items
 */
export function open(kindOfBatch, item, items) {
  kind = kindOfBatch;
  list = items.filter(({ task }) => task);
  at = list.indexOf(item);
  show();
  if (!dialog.open) dialog.showModal();
}

async function show() {
  const { name, task = "", key = "" } = list[at];
  find("#opened-name").textContent = name || t("(no name)");
  const [previous, next] = steps;
  previous.disabled = at === 0;
  next.disabled = at === list.length - 1;
  request.abort();
  request = new AbortController();
  const { signal } = request;
  try {
    const response = await fetch(address(kind, "result", { task, key }), { signal });
    const answer = response.status === 404 ? null : await response.json();
    if (signal.aborted) return;
    const picture = address(kind, "input", { task, key });
    body.replaceChildren(
      answer ? resultView({ kind, answer, picture, task, key, name }) : goneNote(),
    );
  } catch {
    if (signal.aborted) return;
    const retry = el("button", { type: "button", className: "button" }, t("Try again"));
    retry.addEventListener("click", show);
    const words = el("p", { className: "quiet" }, t("The server could not be reached."));
    body.replaceChildren(words, retry);
  }
}

function goneNote() {
  return el("p", { className: "quiet" }, t("It was deleted or has expired."));
}

/** @param {number} by */
function step(by) {
  const to = at + by;
  if (to < 0 || to >= list.length) return;
  at = to;
  show();
}

for (const button of steps) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}
find("[data-close]", dialog).addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  request.abort();
  body.replaceChildren();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});
