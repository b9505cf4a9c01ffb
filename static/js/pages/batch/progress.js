// How far a batch is: two bars, a sentence, and the title of the page.

/** @import { BatchDocument } from "./watch.js" */

import { find, setText } from "../../shared/dom.js";
import { number, t, tn } from "../../shared/i18n.js";

/** @typedef {{ bytes: number, total: number }} Sending the bytes that have arrived, of how many */

/**
 * Show the progress of a batch; `sending` is null unless this page sends its photos.
 *
 * @param {string} name
 * @param {BatchDocument | null} batch null until the first document is there
 * @param {Sending | null} sending
 */
export function showProgress(name, batch, sending) {
  const { counts, state, expected = 0 } = batch ?? { counts: null, state: "open" };
  find("#sent").hidden = !sending;
  if (sending) {
    const part = sending.bytes / sending.total;
    showBar("sent", part, `${Math.floor(100 * part)}%`);
  }
  const over = counts ? counts.all - counts.waiting - counts.processing : 0;
  const all = Math.max(expected && state === "open" ? expected : 0, counts?.all ?? 0);
  const words = t("{done} of {all}", { done: number(over), all: number(all) });
  showBar("done", all ? over / all : 0, all ? words : "");
  setText(find("#state-words"), sentenceOf(batch, Boolean(sending)));
  const done = all && state !== "complete" ? `${Math.floor((100 * over) / all)}% · ` : "";
  document.title = `${done}${name || t("Batch")} · SCAI`;
}

/**
 * @param {BatchDocument | null} batch
 * @param {boolean} sending
 */
function sentenceOf(batch, sending) {
  if (!batch) return sending ? t("Sending the photos") : t("Contacting the server");
  const { state, counts } = batch;
  if (sending) return t("Sending the photos; results appear as they come in");
  if (state === "open") return counts.all ? t("More photos may be added") : t("No photo has arrived yet");
  if (state === "running") return t("Recognising");
  const bad = counts.failure + counts.refused;
  if (counts.all === 0) return t("This batch is empty");
  if (bad) {
    return tn(
      bad,
      "Done. {n} file has no result; the table says why",
      "Done. {n} files have no result; the table says why",
    );
  }
  return t("Done. All photos have a result");
}

/**
 * @param {string} id
 * @param {number} part 0..1
 * @param {string} words
 */
function showBar(id, part, words) {
  const track = find(`#${id} .track`);
  const percent = Math.round(100 * Math.min(1, part));
  track.setAttribute("aria-valuenow", String(percent));
  find("span", track).style.width = `${percent}%`;
  setText(find(`#${id} .bar-number`), words);
}
