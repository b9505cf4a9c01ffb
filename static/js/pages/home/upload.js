// The photos' way to the server: a few uploads at a time, then each is followed to its result.

/** @import { Photo } from "./photo.js" */

import { backoff, upload as uploadTo } from "../../shared/api.js";
import { limiter } from "../../shared/concurrency.js";
import { pause } from "../../shared/dom.js";
import { follow } from "../../shared/follow.js";
import { lang } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { asProblem, Problem } from "../../shared/problem.js";
import * as store from "../../shared/store.js";
import { load } from "./load.js";

/**
 * The uploads of one kind: `fullUntil` is when to try again after the server's queue was full, in
 * ms since 1970.
 *
 * @typedef {object} Line
 * @property {{ photo: Photo, signal: AbortSignal }[]} queue
 * @property {number} uploads
 * @property {number} fullUntil
 */

const MAX_UPLOADS = 4; // at once
const FULL_PAUSE = 30; // seconds, when a full server does not say how long
const RETRY_PAUSE = 2000; // ms until it is asked again once it has finished one of ours

/** @type {Map<string, Line>} */
const lines = new Map(); // one for each kind: where one is full, the other still goes on
const inTurn = limiter(MAX_UPLOADS);

/** @param {{ kind: string }} photo */
function lineOf({ kind }) {
  const line = lines.get(kind) ?? { queue: [], uploads: 0, fullUntil: 0 };
  lines.set(kind, line);
  return line;
}

/**
 * Send a photo with its options and follow it; its earlier result is forgotten.
 *
 * @param {Photo} photo
 */
export function send(photo) {
  const signal = newRun(photo);
  photo.begin("queued");
  const line = lineOf(photo);
  line.queue.push({ photo, signal });
  pump(line);
}

/**
 * Follow a photo that the server has already.
 *
 * @param {Photo} photo
 */
export function resume(photo) {
  const signal = newRun(photo);
  photo.begin("waiting");
  attempt(photo, signal, () => finish(photo, signal));
}

/**
 * Stop following a photo; the server may finish it all the same.
 *
 * @param {Photo} photo
 */
export function drop(photo) {
  photo.run?.abort();
  photo.run = null;
}

/**
 * Stop following a photo that is replaced by another, and remove it from this browser's list.
 *
 * @param {Photo} photo
 */
export function discard(photo) {
  drop(photo);
  if (photo.task) store.remove(photo.task);
  Object.assign(photo, { task: "", key: "", thumbnail: null });
}

/** @param {Photo} photo */
function newRun(photo) {
  drop(photo);
  photo.run = new AbortController();
  return photo.run.signal;
}

/** @param {Line} line */
function pump(line) {
  while (line.uploads < MAX_UPLOADS) {
    const next = line.queue.shift();
    if (!next) return;
    const { photo, signal } = next;
    if (signal.aborted) continue;
    line.uploads += 1;
    attempt(photo, signal, async () => {
      await upload(photo, signal);
      attempt(photo, signal, () => finish(photo, signal));
    }).finally(() => {
      line.uploads -= 1;
      pump(line);
    });
  }
}

/**
 * @param {Photo} photo
 * @param {AbortSignal} signal
 * @param {() => Promise<void>} work
 */
async function attempt(photo, signal, work) {
  try {
    await work();
  } catch (error) {
    if (!signal.aborted) photo.set({ state: "failed", problem: asProblem(error) });
  }
}

/**
 * @param {Photo} photo
 * @param {AbortSignal} signal
 */
async function upload(photo, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(photo.options)) if (value) form.append(name, value);
  form.append("photo", await photo.content(), photo.name);
  const { sessname, sesskey } = await uploadUntilAccepted(photo, form, signal);
  photo.set({ state: "waiting", task: sessname, key: sesskey, time: Date.now() });
  addToHistory(photo);
}

/**
 * Send `form` until the server accepts it, or refuses it for good.
 *
 * @param {Photo} photo
 * @param {FormData} form
 * @param {AbortSignal} signal
 */
async function uploadUntilAccepted(photo, form, signal) {
  const once = () => {
    photo.set({ state: "uploading", part: 0 });
    const onPart = (/** @type {number} */ part) => photo.set({ part });
    return uploadTo(KINDS[photo.kind].upload, form, { signal, onPart });
  };
  for (let failures = 0; ; ) {
    await waitForRoom(photo, signal);
    try {
      return await inTurn(once, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Problem)) throw error;
      const { code, retryAfter } = error;
      if (code === "busy" || code === "client_limit") {
        lineOf(photo).fullUntil = Date.now() + 1000 * (retryAfter || FULL_PAUSE);
      } else if (code === "network") {
        failures += 1;
        photo.set({ state: "offline" });
        await pause(backoff(failures), signal);
      } else {
        throw error;
      }
    }
  }
}

/**
 * Wait while the server's queue is full.
 *
 * @param {Photo} photo
 * @param {AbortSignal} signal
 */
async function waitForRoom(photo, signal) {
  const line = lineOf(photo);
  while (Date.now() < line.fullUntil) {
    const retryAt = new Intl.DateTimeFormat(lang, { timeStyle: "medium" }).format(line.fullUntil);
    photo.set({ state: "held", retryAt });
    await pause(Math.min(RETRY_PAUSE, line.fullUntil - Date.now()), signal);
  }
}

/** @param {Photo} photo */
async function addToHistory(photo) {
  const { kind, task, key, name, time } = photo;
  await store.add({ kind, task, key, name, time });
  const thumb = await thumbnailOf(photo);
  if (thumb && photo.task === task) store.update(task, { thumb });
}

/**
 * Follow a photo to its result, and show and store it.
 *
 * @param {Photo} photo
 * @param {AbortSignal} signal
 */
async function finish(photo, signal) {
  const { task } = photo;
  const answer = await followToEnd(photo, signal);
  const line = lineOf(photo);
  line.fullUntil = Math.min(line.fullUntil, Date.now() + RETRY_PAUSE);
  const { summaryOf } = await load(() => import("../../viewer/viewer.js"));
  signal.throwIfAborted();
  photo.set({ state: "done", answer, summary: summaryOf(answer) });
  store.update(task, store.verdictOf(answer));
}

/**
 * @param {Photo} photo
 * @param {AbortSignal} signal
 */
async function followToEnd(photo, signal) {
  const { kind, task, key } = photo;
  const onState = (/** @type {string} */ state, /** @type {number | null} */ place = null) =>
    photo.set({
      state: state === "processing" ? "recognising" : "waiting",
      place,
      hasTrouble: false,
    });
  const onTrouble = () => photo.set({ hasTrouble: true });
  try {
    return await follow({ kind, task, key }, { signal, onState, onTrouble });
  } catch (error) {
    if (error instanceof Problem) {
      const state = error.code === "not_found" ? "gone" : "failure";
      store.update(task, { state, error: error.message });
    }
    throw error;
  }
}

/**
 * Make a thumbnail of a photo, once; null if there is none. It comes first if the row is visible.
 *
 * @param {Photo} photo
 * @returns {Promise<Blob | null>}
 */
export function thumbnailOf(photo, isVisible = false) {
  photo.thumbnail ??= photo.file
    ? store.thumbOf(photo.file)
    : store.get(photo.task).then((entry) => entry?.thumb ?? null);
  if (isVisible) store.thumbFirst(photo.file);
  return photo.thumbnail;
}
