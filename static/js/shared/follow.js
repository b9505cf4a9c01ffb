// What becomes of photos: one stream of the server's events for all that are in hand.
//
// Where streams are refused or held back (a proxy, a busy server), each photo is asked for by
// itself instead, and a stream is tried again later. Nothing is lost between two streams: each one
// begins with how things are. A page that nobody sees only glances now and then, for a browser has
// six connections to a server, and many tabs may be open.

import { follow as ask } from "./api.js";
import { address } from "./kinds.js";
import { problemOf } from "./problem.js";

const MOST = 48; // photos in one stream; the server takes 64
const OLDEST = 32; // of them, those in hand for longest; the others take turns
const TURN = 3000; // ms of such a turn
const TOGETHER = 300; // ms between two streams, while photos come and go
const SILENCE = 10000; // ms without a word, though the server gives a sign of life every second
const REFUSAL = 20000; // ms until a stream is tried again after one was refused
const GLANCE = 1000; // ms of a stream of a page that nobody sees
const REST = 5000; // ms between two of them
const LONGEST_PAUSE = 15000; // ms between two attempts while the connection is lost

const inHand = new Set();
let source = null;
let carried = new Set(); // the tasks in the open stream
let openedAt = -Infinity;
let heardAt = 0; // 0: the open stream has not said anything yet
let refusedUntil = 0;
let restingUntil = 0;
let failures = 0;
let timer = null;
let timerAt = Infinity;

const nothing = () => {};

/**
 * Follow one photo until its recognition is over.
 *
 * Resolves to the result, a document of state "complete"; rejects with a Problem. `onState(state,
 * place)` follows the server: "initialization" with how many wait before it (null: not known), then
 * "processing". `onTrouble()` is told of each lost connection; an `onState` says that it is back.
 */
export function follow({ kind, task, key }, { signal, onState = nothing, onTrouble = nothing } = {}) {
  return new Promise((resolve, reject) => {
    const stop = () => one.end(reject, signal.reason);
    const one = {
      kind,
      task,
      key,
      onState,
      onTrouble,
      seenAt: 0,
      polling: null,
      end(settle, value) {
        if (!inHand.delete(one)) return;
        signal?.removeEventListener("abort", stop);
        one.polling?.abort();
        settle(value);
        plan(TOGETHER);
      },
      done: (answer) =>
        answer.state === "complete"
          ? one.end(resolve, answer)
          : one.end(reject, problemOf(500, answer)),
      fail: (problem) => one.end(reject, problem),
    };
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    signal?.addEventListener("abort", stop);
    inHand.add(one);
    plan(Math.max(20, openedAt + TOGETHER - performance.now()));
  });
}

/** Look in `ms` at what is to be done, or earlier if that was planned. */
function plan(ms) {
  const at = performance.now() + ms;
  if (at >= timerAt) return;
  clearTimeout(timer);
  timerAt = at;
  timer = setTimeout(act, ms);
}

function act() {
  timerAt = Infinity;
  if (inHand.size === 0) {
    close();
    return;
  }
  const now = performance.now();
  if (now < refusedUntil) {
    for (const one of inHand) poll(one);
    plan(refusedUntil - now);
    return;
  }
  if (source && now - Math.max(heardAt, openedAt) > SILENCE) {
    if (heardAt) lost();
    else refused();
    return;
  }
  if (document.hidden) {
    glance(now);
    return;
  }
  if (!source || isStale(now)) open(now);
  plan(TURN);
}

/** In a page that nobody sees: one look at how things are, then a rest without a connection. */
function glance(now) {
  if (source && heardAt && now - openedAt >= GLANCE) {
    close();
    restingUntil = now + REST;
  } else if (!source && now >= restingUntil) {
    open(now);
  }
  plan(source ? GLANCE : restingUntil - now);
}

/** Whether the open stream should make room for photos that it does not carry. */
function isStale(now) {
  const all = [...inHand];
  if (all.every((one) => carried.has(one.task))) return false;
  if (carried.size < MOST) return true;
  const left = all.filter((one) => carried.has(one.task)).length;
  return left <= MOST / 2 || now - openedAt >= TURN;
}

/** The photos of the next stream: the oldest, and of the others those not seen for longest. */
function chosen() {
  const all = [...inHand];
  if (all.length <= MOST) return all;
  const others = all.slice(OLDEST).sort((a, b) => a.seenAt - b.seenAt);
  return [...all.slice(0, OLDEST), ...others.slice(0, MOST - OLDEST)];
}

function open(now) {
  close();
  const ones = chosen();
  const pairs = ones.flatMap(({ task, key }) => [["task", task], ["key", key]]);
  for (const one of ones) one.seenAt = now;
  carried = new Set(ones.map((one) => one.task));
  openedAt = now;
  heardAt = 0;
  source = new EventSource(`/events?${new URLSearchParams(pairs)}`);
  const tellers = {
    state: ({ task, state, place }) => each(task, (one) => one.onState(state, place)),
    result: ({ task, ...answer }) => each(task, (one) => one.done(answer)),
    gone: ({ task, ...error }) => each(task, (one) => one.fail(problemOf(404, error))),
    beat: nothing,
    end: close,
  };
  for (const [name, tell] of Object.entries(tellers)) {
    source.addEventListener(name, (event) => {
      if (event.target !== source) return;
      heard();
      tell(JSON.parse(event.data));
    });
  }
  source.onerror = (event) => {
    if (event.target !== source) return;
    if (source.readyState === EventSource.CLOSED) refused();
    else lost();
  };
}

function close() {
  source?.close();
  source = null;
  carried = new Set();
}

function each(task, tell) {
  for (const one of [...inHand].filter((one) => one.task === task)) tell(one);
}

/** A stream works: no need to ask for each photo that it carries. */
function heard() {
  heardAt = performance.now();
  for (const one of inHand) {
    one.polling?.abort();
    one.polling = null;
  }
}

/** The connection ended: the server's time for one stream is over, or it is away. */
function lost() {
  const now = performance.now();
  const wasGood = heardAt > 0 && now - openedAt > 2000;
  const silent = heardAt === 0;
  close();
  failures = wasGood ? 0 : failures + 1;
  if (silent) for (const one of inHand) one.onTrouble();
  const rest = failures ? Math.min(LONGEST_PAUSE, 500 * 2 ** failures) : 200;
  plan(rest * (0.75 + Math.random() / 4));
}

/** The server, or something on the way to it, wants no stream. */
function refused() {
  close();
  refusedUntil = performance.now() + REFUSAL;
  plan(0);
}

async function poll(one) {
  if (one.polling) return;
  const { signal } = (one.polling = new AbortController());
  const { onState, onTrouble } = one;
  try {
    one.done(await ask(address(one.kind, "result", one), { signal, onState, onTrouble }));
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
