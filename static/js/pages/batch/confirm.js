// The question before a batch is deleted.

import { find } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

/**
 * Ask whether to delete the batch called `name`.
 *
 * @param {string} name
 * @param {{ fromList?: boolean }} [options] offer to remove it from this browser's list only
 * @returns {Promise<string>} "delete", "list" or ""
 */
export function confirmDelete(name, { fromList = false } = {}) {
  find("#ask-title").textContent = t("Delete {name}?", { name });
  find("#ask-text").textContent = t("The server permanently deletes all its photos and results.");
  find("#ask-list").hidden = !fromList;
  const dialog = find("#ask", document, HTMLDialogElement);
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}
