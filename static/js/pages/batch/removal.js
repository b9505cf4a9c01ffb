// The removal of a batch, from the server and from this browser's list.

import { withQuery } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import * as ownBatches from "./own_batches.js";

/**
 * Delete a batch. Resolves to "", or to a sentence that says why it is still there.
 *
 * @param {string} api
 * @param {{ id: string, key: string }} batch
 */
export async function removeBatch(api, { id, key }) {
  try {
    const response = await fetch(withQuery(`${api}/${id}`, { key }), { method: "DELETE" });
    if (response.status === 409) {
      return t("Some photos are being recognised right now. Try again in a moment.");
    }
    if (!response.ok && response.status !== 404) {
      return t("The server could not delete it. Try again later.");
    }
  } catch {
    return t("The server could not be reached.");
  }
  ownBatches.remove(id);
  return "";
}
