// One photo of a batch with all that was found in it, opened over the table.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { resultView } from "../../viewer/viewer.js";

const part = (name) => document.getElementById(name ? `opened-${name}` : "opened");
const dialog = part();

let list = [];
let at = 0;
let kindOf = "";
let asking = new AbortController();

/** Show `item` of kind `kind`; the buttons step through the `items` that have a photo. */
export function open(kind, item, items) {
  kindOf = kind;
  list = items.filter(({ task }) => task);
  at = list.indexOf(item);
  show();
  if (!dialog.open) dialog.showModal();
}

async function show() {
  const { name, task, key } = list[at];
  part("name").textContent = name || t("(no name)");
  const [previous, next] = dialog.querySelectorAll("[data-step]");
  previous.disabled = at === 0;
  next.disabled = at === list.length - 1;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const response = await fetch(address(kindOf, "result", { task, key }), { signal });
    const answer = response.status === 404 ? null : await response.json();
    if (signal.aborted) return;
    const picture = address(kindOf, "input", { task, key });
    part("body").replaceChildren(
      answer ? resultView({ kind: kindOf, answer, picture, task, key, name }) : gone(),
    );
  } catch {
    if (signal.aborted) return;
    const again = el("button", { type: "button", className: "button" }, t("Try again"));
    again.addEventListener("click", show);
    part("body").replaceChildren(el("p", { className: "quiet" }, t("The server could not be reached.")), again);
  }
}

function gone() {
  return el("p", { className: "quiet" }, t("It was deleted, or cleaned up after its time."));
}

function step(by) {
  const to = at + by;
  if (to < 0 || to >= list.length) return;
  at = to;
  show();
}

for (const button of dialog.querySelectorAll("[data-step]")) {
  button.addEventListener("click", () => step(Number(button.dataset.step)));
}
dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  asking.abort();
  part("body").replaceChildren();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});
