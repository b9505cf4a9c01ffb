// The list of several photos: fetched again from the server whenever one of them goes a step on.

import { find, findAll } from "../shared/dom.js";
import { follow } from "../shared/follow.js";

const REST = 1000; // ms between two requests for the list
const list = find("#photos");
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

async function refresh() {
  timer = undefined;
  try {
    const response = await fetch(list.dataset.address ?? "", { cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("#photos");
    if (response.ok && fresh) replaceRows(fresh);
  } catch {
    refreshSoon(); // the server is away; the list stays as it is
  }
}

/**
 * Replace the rows that changed, so that a focus on another one stays.
 *
 * @param {Element} fresh
 */
function replaceRows(fresh) {
  const rows = findAll("li", list);
  for (const [i, row] of findAll("li", fresh).entries()) {
    if (!rows[i] || rows[i].textContent === row.textContent) continue;
    const focused = rows[i].contains(document.activeElement);
    rows[i].replaceChildren(...document.importNode(row, true).childNodes);
    if (focused) rows[i].querySelector("a")?.focus();
  }
}

function refreshSoon() {
  timer ??= setTimeout(refresh, REST);
}

for (const { dataset } of findAll("li[data-task]", list)) {
  const { kind = "", task = "", key = "" } = dataset;
  follow({ kind, task, key }, { onState: refreshSoon }).then(refreshSoon, refreshSoon);
}
