// The document of a batch, asked for as long as anything in it may change.

import { pause, withQuery } from "../../shared/dom.js";
import { problemOf } from "../../shared/problem.js";

const WAIT = 20; // seconds the server may hold one question
const PATIENCE = 15; // seconds more before a silent connection counts as lost
const TURN = 700; // ms between two questions
const OPEN_TURN = 1500; // ms between two questions about a batch that is being filled
const LONGEST_PAUSE = 15000; // ms between two attempts while the connection is lost

let awake = () => {};

/** Ask again now: something is known to have changed. */
export const hurry = () => awake();

/**
 * Follow the batch at `url` to its end. `onDocument(document)` gets each answer, with the items
 * that changed; `onTrouble(lost)` is told when the connection is lost and when it is back.
 * Rejects with a Problem when the batch is gone.
 */
export async function watch(url, key, { signal, onDocument, onTrouble }) {
  let after = "";
  let lost = 0;
  for (;;) {
    const start = performance.now();
    const reply = await ask(withQuery(url, { key, after, wait: WAIT }), signal);
    if (!reply) {
      lost += 1;
      onTrouble(true);
      await pause(Math.min(LONGEST_PAUSE, 500 * 2 ** lost) * (0.75 + Math.random() / 4), signal);
      continue;
    }
    if (reply.status >= 400) throw problemOf(reply.status, reply.answer);
    if (lost > 0) onTrouble(false);
    lost = 0;
    after = reply.answer.cursor;
    onDocument(reply.answer);
    if (reply.answer.more) continue;
    if (reply.answer.state === "complete") return;
    const turn = reply.answer.state === "open" ? OPEN_TURN : TURN;
    const hurried = new Promise((resolve) => (awake = resolve));
    await Promise.race([hurried, pause(Math.max(0, turn - (performance.now() - start)), signal)]);
  }
}

// The answer, or null when none came that makes sense.
async function ask(url, signal) {
  // One controller for both reasons to stop: AbortSignal.any is too new for phones in use.
  const either = new AbortController();
  const stop = () => either.abort();
  const silence = setTimeout(stop, 1000 * (WAIT + PATIENCE));
  signal.addEventListener("abort", stop);
  try {
    const response = await fetch(url, {
      signal: either.signal,
      cache: "no-store",
      headers: { Accept: "application/json" },
    });
    const answer = await response.json();
    return response.status < 500 ? { status: response.status, answer } : null;
  } catch {
    signal.throwIfAborted();
    return null;
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
  }
}
