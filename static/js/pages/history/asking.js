// What the server says of the photos on the list: verdicts not seen yet, and photos it removed.

import { pause } from "../../shared/dom.js";
import { follow } from "../../shared/follow.js";
import { address } from "../../shared/kinds.js";
import { update, verdictOf } from "../../shared/store.js";
import { isFinal } from "./cards.js";

const LANES = 4; // questions at once
const FOLLOWED = 40; // photos in hand whose news are waited for at once
const SHORT_PAUSE = 300; // ms between the news of a verdict and the question for it
const PAUSE = 5000; // ms before the next try while the server is out of reach

/** The server's answer to a photo, or null when it has none of it any more; throws otherwise. */
export async function ask({ kind, task, key }, signal) {
  const response = await fetch(address(kind, "result", { task, key }), {
    signal,
    cache: "no-store",
    headers: { Accept: "application/json" },
  });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
}

/**
 * Keep what the server said of `entry`: an answer, or null for a photo that it no longer has.
 * Nothing is written that was known.
 */
export async function keep(entry, answer) {
  const news = answer === null ? { gone: true } : { ...verdictOf(answer), gone: false };
  const same = (name) => JSON.stringify(entry[name] ?? false) === JSON.stringify(news[name]);
  if (!Object.keys(news).every(same)) await update(entry.task, news);
}

/**
 * Asks for photos, four at a time and each once, until `signal` aborts.
 *
 * `current(task)` is the entry now, or undefined; `seen(task)` whether its card is in view: of
 * those with a verdict only these are asked for. `reach(there)` is told whether the server answers.
 */
export function asker({ current, seen, reach, signal }) {
  const queue = [];
  const asked = new Set();
  const following = new Set();
  let busy = 0;

  async function followed(entry) {
    if (following.size >= FOLLOWED) {
      await Promise.race(following);
      followed(entry);
      return;
    }
    const { kind, task, key } = entry;
    const onState = (state) => {
      if (state !== current(task)?.state) update(task, { state });
    };
    const news = follow({ kind, task, key }, { signal, onState });
    const over = news.then(
      () => {},
      () => {},
    );
    following.add(over);
    await over;
    following.delete(over);
    if (signal.aborted) return;
    // The whole answer, of a failure too.
    await pause(SHORT_PAUSE, signal).catch(() => {});
    asked.delete(task);
    want(task);
  }

  async function one(task) {
    const entry = current(task);
    if (!entry || entry.gone || (isFinal(entry) && !seen(task))) {
      asked.delete(task);
      return;
    }
    try {
      const answer = await ask(entry, signal);
      reach(true);
      await keep(entry, answer);
      if (answer && !isFinal(answer)) followed(entry);
    } catch {
      if (signal.aborted) return;
      reach(false);
      queue.push(task);
      await pause(PAUSE, signal).catch(() => {});
    }
  }

  async function lane() {
    busy += 1;
    while (queue.length && !signal.aborted) await one(queue.shift());
    busy -= 1;
  }

  /** Ask for a photo soon, unless it was asked for already. */
  function want(task) {
    if (asked.has(task)) return;
    asked.add(task);
    queue.push(task);
    if (busy < LANES) lane();
  }

  return { want };
}
