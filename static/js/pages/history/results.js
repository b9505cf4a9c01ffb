// The server's results for the photos on the list: those not seen yet, and photos it removed.

/** @import { Answer } from "../../shared/api.js" */
/** @import { Entry } from "../../shared/store.js" */

import { pause } from "../../shared/dom.js";
import { follow } from "../../shared/follow.js";
import { address } from "../../shared/kinds.js";
import { update, verdictOf } from "../../shared/store.js";
import { isFinal } from "./cards.js";

const LANES = 4; // requests at once
const MAX_FOLLOWED = 40; // unfinished photos that are followed at once
const SHORT_PAUSE = 300; // ms between the news of a result and the request for it
const PAUSE = 5000; // ms before the next try while the server is out of reach

/**
 * Fetch the server's answer to a photo, null if it has none any more; throws otherwise.
 *
 * @param {Entry} entry
 * @param {AbortSignal} signal
 * @returns {Promise<Answer | null>}
 */
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
 * Store the server's answer, null for a photo that it no longer has, unless it says nothing new.
 *
 * @param {Entry} entry
 * @param {Answer | null} answer
 */
export async function save(entry, answer) {
  /** @type {Partial<Entry>} */
  const news = answer === null ? { gone: true } : { ...verdictOf(answer), gone: false };
  const before = /** @type {Record<string, unknown>} */ (entry);
  const isSame = (/** @type {[string, unknown]} */ [name, value]) =>
    JSON.stringify(before[name] ?? false) === JSON.stringify(value);
  if (!Object.entries(news).every(isSame)) await update(entry.task, news);
}

/** Asks the server for photos, four at a time and each once. */
export class Asker {
  /**
   * @param {object} options
   * @param {(task: string) => Entry | undefined} options.current the entry now
   * @param {(task: string) => boolean} options.isVisible whether its card is in view: of those with
   *   a result only these are asked for
   * @param {(there: boolean) => void} options.onReach gets whether the server answers
   * @param {AbortSignal} options.signal
   */
  constructor({ current, isVisible, onReach, signal }) {
    this.current = current;
    this.isVisible = isVisible;
    this.onReach = onReach;
    this.signal = signal;
    /** @type {string[]} */
    this.queue = [];
    this.tasks = new Set(); // asked for, or about to be
    /** @type {Set<Promise<void>>} */
    this.following = new Set();
    this.lanes = 0;
  }

  /**
   * Ask for a photo soon, unless it was asked for already.
   *
   * @param {string} task
   */
  request(task) {
    if (this.tasks.has(task)) return;
    this.tasks.add(task);
    this.queue.push(task);
    if (this.lanes < LANES) this.runLane();
  }

  async runLane() {
    this.lanes += 1;
    for (let task = this.queue.shift(); task && !this.signal.aborted; task = this.queue.shift()) {
      await this.askFor(task);
    }
    this.lanes -= 1;
  }

  /** @param {string} task */
  async askFor(task) {
    const entry = this.current(task);
    if (!entry || entry.gone || (isFinal(entry) && !this.isVisible(task))) {
      this.tasks.delete(task);
      return;
    }
    try {
      const answer = await ask(entry, this.signal);
      this.onReach(true);
      await save(entry, answer);
      if (answer && !isFinal(answer)) this.follow(entry);
    } catch {
      if (this.signal.aborted) return;
      this.onReach(false);
      this.queue.push(task);
      await pause(PAUSE, this.signal).catch(() => {});
    }
  }

  /** @param {Entry} entry */
  async follow(entry) {
    while (this.following.size >= MAX_FOLLOWED) await Promise.race(this.following);
    const { kind, task, key } = entry;
    const { signal } = this;
    const onState = (/** @type {string} */ state) => {
      if (state !== this.current(task)?.state) update(task, { state });
    };
    const news = follow({ kind, task, key }, { signal, onState });
    const over = news.then(
      () => {},
      () => {},
    );
    this.following.add(over);
    await over;
    this.following.delete(over);
    if (signal.aborted) return;
    // The whole answer, of a failure too.
    await pause(SHORT_PAUSE, signal).catch(() => {});
    this.tasks.delete(task);
    this.request(task);
  }
}
