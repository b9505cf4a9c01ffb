// The removal of photos, from the server and from this list, after one question.

/** @import { Entry } from "../../shared/store.js" */

import { find } from "../../shared/dom.js";
import { t, tn } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { remove } from "../../shared/store.js";
import { nameOf } from "./cards.js";

/**
 * @typedef {"removed" | "busy" | "failed"} Outcome busy: it is being recognised
 * @typedef {Record<Outcome, number>} Counts
 * @typedef {[words: string, bad: boolean]} Sentence
 */

const LANES = 4;

const dialog = find("#ask", document, HTMLDialogElement);

/**
 * Ask what to do with `entries`.
 *
 * @param {Entry[]} entries
 * @returns {Promise<string>} "delete", "list" or ""
 */
export function confirmDelete(entries) {
  const n = entries.length;
  find("#ask-title").textContent =
    n === 1 ? t("Delete {name}?", { name: nameOf(entries[0]) }) : t("Delete {n} photos?", { n });
  find("#ask-text").textContent =
    n === 1
      ? t("The server permanently deletes the photo and its result. If you only remove it from this list, it stays on the server until it expires, and its key is lost.")
      : t("The server permanently deletes the photos and their results. If you only remove them from this list, they stay on the server until they expire, and their keys are lost.");
  return new Promise((resolve) => {
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
    dialog.showModal();
  });
}

/**
 * @param {Entry} entry
 * @param {boolean} fromServer
 * @returns {Promise<Outcome>}
 */
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
 * Remove `entries`, four at a time. Those that are busy or failed stay.
 *
 * @param {Entry[]} entries
 * @param {{ fromServer: boolean, onProgress: (done: number) => void }} options
 */
export async function removeAll(entries, { fromServer, onProgress }) {
  /** @type {Counts} */
  const counts = { removed: 0, busy: 0, failed: 0 };
  const left = [...entries];
  let done = 0;
  async function runLane() {
    for (let entry = left.shift(); entry; entry = left.shift()) {
      counts[await removeOne(entry, fromServer)] += 1;
      done += 1;
      onProgress(done);
    }
  }
  await Promise.all(Array.from({ length: LANES }, runLane));
  return counts;
}

/**
 * Report a removal in sentences.
 *
 * @param {Counts} counts
 * @param {boolean} fromServer
 */
export function reportOf({ removed: n, busy, failed }, fromServer) {
  /** @type {Sentence[]} */
  const sentences = [];
  if (n && fromServer) sentences.push([tn(n, "{n} photo deleted.", "{n} photos deleted."), false]);
  if (n && !fromServer) {
    sentences.push([tn(n, "{n} photo removed from this list.", "{n} photos removed from this list."), false]);
  }
  if (busy) {
    const words = tn(
      busy,
      "{n} photo is being recognised right now and was not deleted. Delete it when its result is ready.",
      "{n} photos are being recognised right now and were not deleted. Delete them when their results are ready.",
    );
    sentences.push([words, true]);
  }
  if (failed) {
    const words = tn(
      failed,
      "{n} photo could not be deleted. Check your connection, then try again.",
      "{n} photos could not be deleted. Check your connection, then try again.",
    );
    sentences.push([words, true]);
  }
  return sentences;
}
