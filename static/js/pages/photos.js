// The list of several photos: made anew by the server whenever one of them goes a step further.

import { follow } from "../shared/follow.js";

const REST = 1000; // ms between two new lists
const list = document.querySelector("#photos");
let timer = null;

async function refresh() {
  timer = null;
  try {
    const response = await fetch(list.dataset.address, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.querySelector("#photos");
    if (response.ok && fresh) put(fresh);
  } catch {
    changed(); // the server is away; the list stays as it is
  }
}

/** Replace the rows that changed, so that a focus on another one stays. */
function put(fresh) {
  const rows = [...list.querySelectorAll("li")];
  for (const [i, row] of [...fresh.querySelectorAll("li")].entries()) {
    if (rows[i] && rows[i].textContent !== row.textContent) {
      const focused = rows[i].contains(document.activeElement);
      rows[i].replaceChildren(...document.importNode(row, true).childNodes);
      if (focused) rows[i].querySelector("a")?.focus();
    }
  }
}

function changed() {
  timer ??= setTimeout(refresh, REST);
}

for (const { dataset } of list.querySelectorAll("li[data-task]")) {
  const { kind, task, key } = dataset;
  follow({ kind, task, key }, { onState: changed }).then(changed, changed);
}
