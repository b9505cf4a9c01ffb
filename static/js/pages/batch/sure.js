// Asked once before a batch goes.

import { t } from "../../shared/i18n.js";

const part = (name) => document.getElementById(name ? `ask-${name}` : "ask");

/** Asks about the batch called `name`; resolves to "delete", "list" (where offered) or "". */
export function sure(name, { fromList = false } = {}) {
  part("title").textContent = t("Delete {name}?", { name });
  part("text").textContent = t("The server removes all its photos and results for good.");
  part("list").hidden = !fromList;
  const dialog = part();
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}
