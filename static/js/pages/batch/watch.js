// The document of a batch, asked for as long as anything in it may change.

/** @import { Item } from "./rows.js" */

import { backoff, getJson } from "../../shared/api.js";
import { pause, withQuery } from "../../shared/dom.js";
import { problemOf } from "../../shared/problem.js";

/**
 * The server's document of a batch; `items` are those that changed, `created` is in seconds.
 *
 * @typedef {object} BatchDocument
 * @property {string} kind
 * @property {number} created
 * @property {"open" | "running" | "complete"} state
 * @property {Record<"all" | "waiting" | "processing" | "complete" | "failure" | "refused", number>} counts
 * @property {Item[]} items
 * @property {number} [expected] photos, as the sending page announced
 * @property {string} [model]
 * @property {number} [threshold]
 * @property {string} cursor
 * @property {boolean} [more] whether there are more items than fit into one document
 */

const WAIT = 20; // seconds the server may hold one request
const PATIENCE = 15; // seconds more before a silent connection counts as lost
const INTERVAL = 700; // ms between two requests
const OPEN_INTERVAL = 1500; // ms between two requests about a batch that is being filled

let wake = () => {};

/** Ask again now: something has changed. */
export const askNow = () => wake();

/**
 * Follow the batch at `url` to its end. `onDocument` gets each document, `onTrouble` whether the
 * connection is lost. Rejects with a Problem when the batch is gone.
 *
 * @param {string} url
 * @param {string} key
 * @param {object} options
 * @param {AbortSignal} options.signal
 * @param {(document: BatchDocument) => void} options.onDocument
 * @param {(lost: boolean) => void} options.onTrouble
 */
export async function watch(url, key, { signal, onDocument, onTrouble }) {
  let after = "";
  let failures = 0;
  for (;;) {
    const start = performance.now();
    const reply = await ask(withQuery(url, { key, after, wait: WAIT }), signal);
    if (!reply) {
      failures += 1;
      onTrouble(true);
      await pause(backoff(failures), signal);
      continue;
    }
    if (reply.status >= 400) throw problemOf(reply.status, reply.answer);
    if (failures > 0) onTrouble(false);
    failures = 0;
    after = reply.answer.cursor;
    onDocument(reply.answer);
    if (reply.answer.more) continue;
    if (reply.answer.state === "complete") return;
    const interval = reply.answer.state === "open" ? OPEN_INTERVAL : INTERVAL;
    const early = new Promise((resolve) => (wake = () => resolve(undefined)));
    await Promise.race([early, pause(Math.max(0, interval - (performance.now() - start)), signal)]);
  }
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<{ status: number, answer: any } | null>} null without a sensible answer
 */
async function ask(url, signal) {
  try {
    const reply = await getJson(url, WAIT + PATIENCE, signal);
    return reply.status < 500 && reply.answer !== null ? reply : null;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
