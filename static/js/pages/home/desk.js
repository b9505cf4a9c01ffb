// Where photos are handed in: a few uploads at a time, then each is followed to its verdict.

import { upload } from "../../shared/api.js";
import { pause } from "../../shared/dom.js";
import { follow } from "../../shared/follow.js";
import { lang } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { Problem } from "../../shared/problem.js";
import * as store from "../../shared/store.js";
import { turns } from "../../shared/turns.js";
import { load } from "./load.js";

const AT_ONCE = 4; // uploads
const LONGEST_PAUSE = 15000; // ms between two attempts while the connection is lost
const FULL_PAUSE = 30; // seconds, when a full server does not say how long
const ROOM_PAUSE = 2000; // ms until it is asked again once it has finished one of ours

// One line for each kind, as on the server: where one is full, the other still goes on.
const lines = new Map();
const inTurn = turns(AT_ONCE);

function lineOf({ kind }) {
  // fullUntil: ms since 1970
  if (!lines.has(kind)) lines.set(kind, { queue: [], uploads: 0, fullUntil: 0 });
  return lines.get(kind);
}

/** Send a photo with its options and follow it; whatever became of it before is forgotten. */
export function send(photo) {
  const signal = begin(photo);
  photo.begin("queued");
  const line = lineOf(photo);
  line.queue.push({ photo, signal });
  pump(line);
}

/** Follow a photo that the server has already. */
export function resume(photo) {
  const signal = begin(photo);
  photo.begin("waiting");
  attempt(photo, signal, () => attend(photo, signal));
}

/** Let go of a photo; the server may finish it all the same. */
export function drop(photo) {
  photo.run?.abort();
  photo.run = null;
}

/** Let go of a photo whose answer nobody wants any more, and keep no trace of it here. */
export function replace(photo) {
  drop(photo);
  if (photo.task) store.remove(photo.task);
  Object.assign(photo, { task: "", key: "", thumbnail: null });
}

function begin(photo) {
  drop(photo);
  photo.run = new AbortController();
  return photo.run.signal;
}

function pump(line) {
  while (line.uploads < AT_ONCE && line.queue.length > 0) {
    const { photo, signal } = line.queue.shift();
    if (signal.aborted) continue;
    line.uploads += 1;
    attempt(photo, signal, async () => {
      await deliver(photo, signal);
      attempt(photo, signal, () => attend(photo, signal));
    }).finally(() => {
      line.uploads -= 1;
      pump(line);
    });
  }
}

async function attempt(photo, signal, work) {
  try {
    await work();
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof Problem)) console.error(error);
    const problem = error instanceof Problem ? error : new Problem("unknown");
    photo.set({ state: "failed", problem });
  }
}

async function deliver(photo, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(photo.options)) if (value) form.append(name, value);
  form.append("photo", await photo.content(), photo.name);
  const { sessname, sesskey } = await accepted(photo, form, signal);
  photo.set({ state: "waiting", task: sessname, key: sesskey, time: Date.now() });
  keep(photo);
}

// Sends until the server takes it or refuses it for good.
async function accepted(photo, form, signal) {
  const once = () => {
    photo.set({ state: "uploading", part: 0 });
    const onProgress = (part) => photo.set({ part });
    return upload(KINDS[photo.kind].upload, form, { signal, onProgress });
  };
  for (let lost = 0; ; ) {
    await room(photo, signal);
    try {
      return await inTurn(once, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error.code === "busy") {
        lineOf(photo).fullUntil = Date.now() + 1000 * (error.retryAfter || FULL_PAUSE);
      } else if (error.code === "network") {
        lost += 1;
        photo.set({ state: "offline" });
        await pause(Math.min(LONGEST_PAUSE, 500 * 2 ** lost) * (0.75 + Math.random() / 4), signal);
      } else {
        throw error;
      }
    }
  }
}

async function room(photo, signal) {
  const line = lineOf(photo);
  while (Date.now() < line.fullUntil) {
    const again = new Intl.DateTimeFormat(lang, { timeStyle: "medium" }).format(line.fullUntil);
    photo.set({ state: "held", again });
    await pause(Math.min(ROOM_PAUSE, line.fullUntil - Date.now()), signal);
  }
}

async function keep(photo) {
  const { kind, task, key, name, time } = photo;
  await store.add({ kind, task, key, name, time });
  const thumb = await thumbnailOf(photo);
  if (thumb && photo.task === task) store.update(task, { thumb });
}

async function attend(photo, signal) {
  const { kind, task } = photo;
  const answer = await verdict(photo, signal);
  const line = lineOf(photo);
  line.fullUntil = Math.min(line.fullUntil, Date.now() + ROOM_PAUSE);
  const { summaryOf } = await load(() => import("../../viewer/viewer.js"));
  signal.throwIfAborted();
  photo.set({ state: "done", answer, summary: summaryOf(kind, answer) });
  store.update(task, store.verdictOf(answer));
}

async function verdict(photo, signal) {
  const { kind, task, key } = photo;
  const onState = (state, place = null) =>
    photo.set({
      state: state === "processing" ? "recognising" : "waiting",
      place,
      troubled: false,
    });
  const onTrouble = () => photo.set({ troubled: true });
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

/** A small picture of a photo, or null; it is made once, and soon where it is `seen`. */
export function thumbnailOf(photo, seen = false) {
  photo.thumbnail ??= photo.file
    ? store.thumbOf(photo.file)
    : store.get(photo.task).then((entry) => entry?.thumb ?? null);
  if (seen) store.thumbFirst(photo.file);
  return photo.thumbnail;
}
