// One photo in a tray: what it is, how far it is, and what came of it.

import { number, percent, size, t, tn } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { Problem, wordsOf } from "../../shared/problem.js";

const ENDS = ["done", "failed"];

/**
 * `state` goes ready, queued (for its upload), uploading, waiting, recognising, then done or failed.
 * On the way it may be held (the server's queue is full) or offline. `file` is null after a reload,
 * for then only the server has the photo. `options` are the form's: model, threshold. `place` is
 * how many wait before it, null when that is not known.
 */
export class Photo {
  constructor({ kind, name, file = null, options = {}, task = "", key = "", time = Date.now() }) {
    Object.assign(this, { kind, name, file, options, task, key, time });
    this.onChange = () => {};
    this.run = null; // AbortController of the recognition under way
    this.thumbnail = null; // promise of a small Blob, or of null
    this.begin("ready");
  }

  /** Forget what came of it, and be in `state`. */
  begin(state) {
    this.set({ state, part: 0, place: null, troubled: false, answer: null, problem: null });
  }

  set(changes) {
    Object.assign(this, changes);
    this.onChange(this);
  }

  get over() {
    return ENDS.includes(this.state);
  }

  get underWay() {
    return !this.over && this.state !== "ready";
  }

  /** Where the server keeps the photo; "" before it is there. */
  get address() {
    return this.task && address(this.kind, "input", this);
  }

  /** The photo itself, from the server when it is no longer here; rejects with a Problem. */
  async content() {
    try {
      this.file ??= await fetched(this.address, this.name);
      await this.file.slice(0, 1).arrayBuffer(); // a folder, or a file that has gone, is not read
      return this.file;
    } catch (error) {
      throw error instanceof Problem ? error : new Problem(this.file ? "unreadable" : "network");
    }
  }

  /** How far it is, in a line. */
  line(limits) {
    if (this.troubled && !this.over) return t("Connection lost, retrying");
    switch (this.state) {
      case "ready":
        return this.file ? size(this.file.size) : "";
      case "queued":
        return t("Waits to be sent");
      case "uploading":
        return t("Uploading, {percent}", { percent: percent(this.part).replace(/\.\d/, "") });
      case "held":
        return t("The queue is full. Tries again at {time}", { time: this.again });
      case "offline":
        return t("No connection. Goes on by itself");
      case "waiting":
        return this.place > 0
          ? tn(this.place, "Waiting, {n} before it", "Waiting, {n} before it")
          : t("Waiting in the queue");
      case "recognising":
        return t("Recognising");
      case "done":
        return this.summary;
      default:
        return wordsOf(this.problem, limits)[0];
    }
  }
}

async function fetched(url, name) {
  const response = await fetch(url);
  if (!response.ok) throw new Problem("not_found");
  return new File([await response.blob()], name);
}

/** What a list of photos has come to: {all, ready, done, failed, underWay} and a sentence. */
export function tally(photos) {
  const count = (is) => photos.filter(is).length;
  const sums = {
    all: photos.length,
    ready: count(({ state }) => state === "ready"),
    done: count(({ state }) => state === "done"),
    failed: count(({ state }) => state === "failed"),
    underWay: count(({ underWay }) => underWay),
  };
  const parts = [];
  if (sums.underWay) {
    const over = number(sums.done + sums.failed);
    parts.push(t("{over} of {all} finished", { over, all: number(sums.all - sums.ready) }));
  } else if (sums.done) {
    parts.push(tn(sums.done, "{n} photo recognised", "{n} photos recognised"));
  }
  if (sums.failed) parts.push(tn(sums.failed, "{n} failed", "{n} failed"));
  if (sums.ready) parts.push(tn(sums.ready, "{n} ready to send", "{n} ready to send"));
  return { ...sums, sentence: parts.join(" · ") };
}
