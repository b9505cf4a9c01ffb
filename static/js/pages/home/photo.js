// One photo in a tray: what it is, how far it is, and its result.

/** @import { Answer } from "../../shared/api.js" */
/** @import { Limits } from "../../shared/problem.js" */

import { number, size, t, tn, wholePercent } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { Problem, wordsOf } from "../../shared/problem.js";

/**
 * A photo goes from ready to queued (for its upload), uploading, waiting, recognising, then done or
 * failed. On the way it may be held (the server's queue is full) or offline.
 *
 * @typedef {"ready" | "queued" | "uploading" | "held" | "offline" | "waiting" | "recognising" | "done" | "failed"} State
 */

/** @typedef {{ model?: string, threshold?: string }} Options of the form */

/**
 * What a photo is made of. `file` is null after a reload, for then only the server has the photo.
 *
 * @typedef {object} PhotoFields
 * @property {string} kind
 * @property {string} name
 * @property {File | null} [file]
 * @property {Options} [options]
 * @property {string} [task]
 * @property {string} [key]
 * @property {number} [time]
 */

/**
 * How far a photo is. `place` is how many photos are before it, null when that is not known;
 * `retryAt` the time of the next attempt, in words.
 *
 * @typedef {object} Progress
 * @property {State} state
 * @property {number} part of the upload, 0..1
 * @property {number | null} place
 * @property {boolean} hasTrouble whether the connection is lost
 * @property {Answer | null} answer
 * @property {Problem | null} problem
 * @property {string} summary of the answer
 * @property {string} retryAt
 * @property {string} task
 * @property {string} key
 * @property {number} time
 */

/** @type {State[]} */
const ENDS = ["done", "failed"];

export class Photo {
  /** @param {PhotoFields} fields */
  constructor({ kind, name, file = null, options = {}, task = "", key = "", time = Date.now() }) {
    this.kind = kind;
    this.name = name;
    this.file = file;
    this.options = options;
    this.task = task;
    this.key = key;
    this.time = time;
    /** @type {State} */
    this.state = "ready";
    this.part = 0;
    /** @type {number | null} */
    this.place = null;
    this.hasTrouble = false;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {Problem | null} */
    this.problem = null;
    this.summary = "";
    this.retryAt = "";
    this.isDrawing = false; // on the pad
    this.onChange = () => {};
    /** @type {AbortController | null} */
    this.run = null; // of the recognition under way
    /** @type {Promise<Blob | null> | null} */
    this.thumbnail = null;
  }

  /**
   * Forget the result, and be in `state`.
   *
   * @param {State} state
   */
  begin(state) {
    this.set({ state, part: 0, place: null, hasTrouble: false, answer: null, problem: null });
  }

  /** @param {Partial<Progress>} changes */
  set(changes) {
    Object.assign(this, changes);
    this.onChange();
  }

  get over() {
    return ENDS.includes(this.state);
  }

  get underWay() {
    return !this.over && this.state !== "ready";
  }

  /** Where the server has the photo; "" before it is there. */
  get address() {
    return this.task && address(this.kind, "input", this);
  }

  /** Read the photo, from the server when it is no longer here; rejects with a Problem. */
  async content() {
    try {
      this.file ??= await download(this.address, this.name);
      await this.file.slice(0, 1).arrayBuffer(); // fails for a folder, or a file that has gone
      return this.file;
    } catch (error) {
      throw error instanceof Problem ? error : new Problem(this.file ? "unreadable" : "network");
    }
  }

  /**
   * Say in a line how far it is.
   *
   * @param {Limits} limits
   */
  line(limits) {
    if (this.hasTrouble && !this.over) return t("Connection lost, retrying");
    switch (this.state) {
      case "ready":
        return this.file ? size(this.file.size) : "";
      case "queued":
        return t("Waiting to be sent");
      case "uploading":
        return t("Uploading, {percent}", { percent: wholePercent(this.part) });
      case "held":
        return t("Queue full, retrying at {time}", { time: this.retryAt });
      case "offline":
        return t("No connection, will continue automatically");
      case "waiting":
        return this.place
          ? tn(this.place, "Waiting, {n} ahead", "Waiting, {n} ahead")
          : t("Waiting in the queue");
      case "recognising":
        return t("Recognising");
      case "done":
        return this.summary;
      default:
        return wordsOf(this.problem ?? new Problem("unknown"), limits)[0];
    }
  }
}

/**
 * @param {string} url
 * @param {string} name
 */
async function download(url, name) {
  const response = await fetch(url);
  if (!response.ok) throw new Problem("not_found");
  return new File([await response.blob()], name);
}

/**
 * Count photos by how far they are, and say it in a sentence.
 *
 * @param {Photo[]} photos
 */
export function tally(photos) {
  const count = (/** @type {(photo: Photo) => boolean} */ is) => photos.filter(is).length;
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
