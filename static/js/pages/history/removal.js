// Taking photos away, from the server and from this list, after asking once.

import { t, tn } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { remove } from "../../shared/store.js";
import { nameOf } from "./cards.js";

const LANES = 4;

const dialog = document.getElementById("ask");

/** Asks what to do with `entries`; resolves to "delete", "list" or "". */
export function sure(entries) {
  const n = entries.length;
  const [title, text] = [document.getElementById("ask-title"), document.getElementById("ask-text")];
  title.textContent =
    n === 1 ? t("Delete {name}?", { name: nameOf(entries[0]) }) : t("Delete {n} photos?", { n });
  text.textContent =
    n === 1
      ? t("The server removes the photo and its result for good. Taken off this list only, it stays on the server until that cleans up, and its key is forgotten.")
      : t("The server removes the photos and their results for good. Taken off this list only, they stay on the server until that cleans up, and their keys are forgotten.");
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}

// "removed", "busy" while it is being recognised, or "failed".
async function removeOne(entry, fromServer) {
  if (fromServer && !entry.gone) {
    try {
      const { kind, task, key } = entry;
      const response = await fetch(address(kind, "result", { task, key }), { method: "DELETE" });
      if (response.status === 409) return "busy";
      if (!response.ok && response.status !== 404) return "failed";
    } catch {
      return "failed";
    }
  }
  await remove(entry.task);
  return "removed";
}

/**
 * Remove `entries`, four at a time. `onProgress(done)` counts them. Resolves to how many were
 * removed, are busy, or failed; those two stay.
 */
export async function removeAll(entries, { fromServer, onProgress }) {
  const counts = { removed: 0, busy: 0, failed: 0 };
  const left = [...entries];
  let done = 0;
  async function lane() {
    for (let entry = left.shift(); entry; entry = left.shift()) {
      counts[await removeOne(entry, fromServer)] += 1;
      done += 1;
      onProgress(done);
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane));
  return counts;
}

/** What came of it, as sentences: [words, whether it is a problem]. */
export function outcome({ removed, busy, failed }, fromServer) {
  const told = [];
  if (removed && fromServer) told.push([tn(removed, "{n} photo deleted.", "{n} photos deleted."), false]);
  if (removed && !fromServer)
    told.push([tn(removed, "{n} photo taken off this list.", "{n} photos taken off this list."), false]);
  if (busy)
    told.push([
      tn(
        busy,
        "{n} photo is being recognised right now and stays. Delete it once its result is there.",
        "{n} photos are being recognised right now and stay. Delete them once their results are there.",
      ),
      true,
    ]);
  if (failed)
    told.push([
      tn(
        failed,
        "{n} photo could not be deleted and stays. Check your connection, then try again.",
        "{n} photos could not be deleted and stay. Check your connection, then try again.",
      ),
      true,
    ]);
  return told;
}
