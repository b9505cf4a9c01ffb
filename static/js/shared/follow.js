// The way of photos to their results: one stream of the server's events for all of a page.
//
// Where streams are refused or held back (a proxy, a busy server), each photo is asked for by
// itself instead, and a stream is tried again later. Nothing is lost between two streams: each one
// begins with how things are. A page in the background only looks now and then, for a browser has
// six connections to a server, and many tabs may be open.

/** @import { Answer, Listeners } from "./api.js" */

import { backoff, poll } from "./api.js";
import { address } from "./kinds.js";
import { problemOf } from "./problem.js";

const MAX_STREAMED = 48; // photos in one stream; the server takes 64
const OLDEST = 32; // of them, those followed for longest; the others take turns
const TURN = 3000; // ms of such a turn
const GATHER = 300; // ms between two streams, while photos come and go
const SILENCE = 10000; // ms without a word, though the server gives a sign of life every second
const REFUSAL = 20000; // ms until a stream is tried again after one was refused
const GLANCE = 1000; // ms of a stream of a page in the background
const REST = 5000; // ms between two of them

/**
 * One photo that is followed. `seenAt` is when a stream last carried it, `polling` stops the
 * requests that stand in for a stream.
 *
 * @typedef {object} Follower
 * @property {string} kind
 * @property {string} task
 * @property {string} key
 * @property {Listeners["onState"]} onState
 * @property {Listeners["onTrouble"]} onTrouble
 * @property {number} seenAt
 * @property {AbortController | null} polling
 * @property {(answer: Answer) => void} done
 * @property {(problem: unknown) => void} fail
 */

/** @type {Set<Follower>} */
const followers = new Set();
/** @type {EventSource | null} */
let source = null;
let streamed = new Set(); // the tasks in the open stream
let openedAt = -Infinity;
let heardAt = 0; // 0: the open stream has not said anything yet
let refusedUntil = 0;
let restingUntil = 0;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let timerAt = Infinity;

const nothing = () => {};

/**
 * Follow one photo until its recognition is over.
 *
 * Resolves to the result, a document of state "complete"; rejects with a Problem. `onState` gets
 * "initialization" with the number of photos before this one (null: not known), then "processing".
 * After an `onTrouble` the next `onState` says that the connection is back.
 *
 * @param {{ kind: string, task: string, key: string }} photo
 * @param {Partial<Listeners> & { signal?: AbortSignal }} [options]
 * @returns {Promise<Answer>}
 */
export function follow({ kind, task, key }, { signal, onState = nothing, onTrouble = nothing } = {}) {
  return new Promise((resolve, reject) => {
    const end = (/** @type {() => void} */ settle) => {
      if (!followers.delete(one)) return;
      signal?.removeEventListener("abort", stop);
      one.polling?.abort();
      settle();
      plan(GATHER);
    };
    const stop = () => end(() => reject(signal?.reason));
    /** @type {Follower} */
    const one = {
      kind,
      task,
      key,
      onState,
      onTrouble,
      seenAt: 0,
      polling: null,
      done: (answer) =>
        end(() => (answer.state === "complete" ? resolve(answer) : reject(problemOf(500, answer)))),
      fail: (problem) => end(() => reject(problem)),
    };
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    signal?.addEventListener("abort", stop);
    followers.add(one);
    plan(Math.max(20, openedAt + GATHER - performance.now()));
  });
}

/**
 * Look at what is to be done in `ms`, or earlier if that was planned.
 *
 * @param {number} ms
 */
function plan(ms) {
  const at = performance.now() + ms;
  if (at >= timerAt) return;
  clearTimeout(timer);
  timerAt = at;
  timer = setTimeout(act, ms);
}

function act() {
  timerAt = Infinity;
  if (followers.size === 0) {
    close();
    return;
  }
  const now = performance.now();
  if (now < refusedUntil) {
    for (const one of followers) pollFor(one);
    plan(refusedUntil - now);
    return;
  }
  if (source && now - Math.max(heardAt, openedAt) > SILENCE) {
    if (heardAt) onLost();
    else onRefused();
    return;
  }
  if (document.hidden) {
    glance(now);
    return;
  }
  if (!source || isStale(now)) open(now);
  plan(TURN);
}

/**
 * In a page in the background: look once at how things are, then rest without a connection.
 *
 * @param {number} now
 */
function glance(now) {
  if (source && heardAt && now - openedAt >= GLANCE) {
    close();
    restingUntil = now + REST;
  } else if (!source && now >= restingUntil) {
    open(now);
  }
  plan(source ? GLANCE : restingUntil - now);
}

/**
 * Whether the open stream should make room for photos that it does not carry.
 *
 * @param {number} now
 */
function isStale(now) {
  const all = [...followers];
  if (all.every((one) => streamed.has(one.task))) return false;
  if (streamed.size < MAX_STREAMED) return true;
  const left = all.filter((one) => streamed.has(one.task)).length;
  return left <= MAX_STREAMED / 2 || now - openedAt >= TURN;
}

/** The photos of the next stream: the oldest, and of the others those seen longest ago. */
function nextPhotos() {
  const all = [...followers];
  if (all.length <= MAX_STREAMED) return all;
  const others = all.slice(OLDEST).sort((a, b) => a.seenAt - b.seenAt);
  return [...all.slice(0, OLDEST), ...others.slice(0, MAX_STREAMED - OLDEST)];
}

/** @param {number} now */
function open(now) {
  close();
  const photos = nextPhotos();
  const query = new URLSearchParams();
  for (const one of photos) {
    one.seenAt = now;
    query.append("task", one.task);
    query.append("key", one.key);
  }
  streamed = new Set(photos.map((one) => one.task));
  openedAt = now;
  heardAt = 0;
  const stream = new EventSource(`/events?${query}`);
  source = stream;
  for (const [name, react] of Object.entries(ON_EVENT)) {
    stream.addEventListener(name, (event) => {
      if (stream !== source) return;
      onHeard();
      react(JSON.parse(event.data));
    });
  }
  stream.onerror = () => {
    if (stream !== source) return;
    if (stream.readyState === EventSource.CLOSED) onRefused();
    else onLost();
  };
}

/** @type {Record<string, (data: any) => void>} */
const ON_EVENT = {
  state: ({ task, state, place }) => each(task, (one) => one.onState(state, place)),
  result: ({ task, ...answer }) => each(task, (one) => one.done(answer)),
  gone: ({ task, ...error }) => each(task, (one) => one.fail(problemOf(404, error))),
  beat: nothing,
  end: close,
};

function close() {
  source?.close();
  source = null;
  streamed = new Set();
}

/**
 * @param {string} task
 * @param {(one: Follower) => void} react
 */
function each(task, react) {
  // A copy, for a photo that is done leaves the set.
  for (const one of [...followers]) if (one.task === task) react(one);
}

/** The stream works: no need to ask for each photo that it carries. */
function onHeard() {
  heardAt = performance.now();
  for (const one of followers) {
    one.polling?.abort();
    one.polling = null;
  }
}

/** The connection ended: the server's time for one stream is over, or it is away. */
function onLost() {
  const now = performance.now();
  const wasGood = heardAt > 0 && now - openedAt > 2000;
  const silent = heardAt === 0;
  close();
  failures = wasGood ? 0 : failures + 1;
  if (silent) for (const one of followers) one.onTrouble();
  plan(failures ? backoff(failures) : 200);
}

/** The server, or something on the way to it, accepts no stream. */
function onRefused() {
  close();
  refusedUntil = performance.now() + REFUSAL;
  plan(0);
}

/** @param {Follower} one */
async function pollFor(one) {
  if (one.polling) return;
  const { signal } = (one.polling = new AbortController());
  const { onState, onTrouble } = one;
  try {
    one.done(await poll(address(one.kind, "result", one), { signal, onState, onTrouble }));
  } catch (problem) {
    if (!signal.aborted) one.fail(problem);
  }
}

window.addEventListener("online", () => plan(0));
document.addEventListener("visibilitychange", () => {
  restingUntil = 0;
  plan(0);
});
// A page in the browser's memory holds no connection; brought back, it goes on.
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", (event) => event.persisted && plan(0));
