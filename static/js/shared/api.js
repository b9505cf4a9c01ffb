// The two requests of a recognition: send the photo, then ask until there is a result.

import { limiter } from "./concurrency.js";
import { pause } from "./dom.js";
import { Problem, problemOf } from "./problem.js";

/**
 * A box in pixels of the upright photo, as the server writes it.
 *
 * @typedef {{ x_min: number, y_min: number, x_max: number, y_max: number }} ServerBox
 */

/**
 * The result document, as far as the pages read it; a failure has `error` and `code`.
 *
 * @typedef {object} Answer
 * @property {string} [state]
 * @property {{ label: string, score: number, box?: ServerBox }[]} [predictions]
 * @property {string} [result] JSON text of label -> "97.3%", in older documents
 * @property {string} [result_image] file name of the annotated picture, or ""
 * @property {string} [model]
 * @property {string} [engine]
 * @property {number} [batch] photos that were recognised together
 * @property {{ infer_ms?: number, waited_ms?: number }} [timing]
 * @property {{ width: number, height: number }} [image] of the upright photo, in pixels
 * @property {number | string} [threshold]
 * @property {string} [filename]
 * @property {string} [code]
 * @property {string} [error]
 * @property {string} [message]
 */

const MAX_WAIT = 20; // seconds the server may hold one request
const PATIENCE = 15; // seconds more before a silent connection counts as lost
const MIN_INTERVAL = 500; // ms between two requests, should the server not hold them
const MAX_REQUESTS = 3; // at once: a browser has six connections, and uploads need some
const CROWD_INTERVAL = 20; // ms between two requests, for each photo that is asked for
const MAX_PAUSE = 15000; // ms between two attempts while the connection is lost

/**
 * How long to wait before attempt number `failures` + 1, in ms: doubled each time, with some chance.
 *
 * @param {number} failures
 */
export function backoff(failures) {
  return Math.min(MAX_PAUSE, 500 * 2 ** Math.min(failures, 6)) * (0.75 + Math.random() / 4);
}

/**
 * @param {string} body
 * @returns {any} an object or array, null for anything else
 */
function parse(body) {
  try {
    const answer = JSON.parse(body);
    return answer !== null && typeof answer === "object" ? answer : null;
  } catch {
    return null;
  }
}

/**
 * Post `form`; `onPart(part)` gets how much of it was sent, 0..1. Rejects with a Problem "network".
 *
 * @param {string} url
 * @param {FormData} form
 * @param {{ signal: AbortSignal, onPart?: (part: number) => void }} options
 * @returns {Promise<{ status: number, answer: any, retryAfter: string | null }>}
 */
export function post(url, form, { signal, onPart = () => {} }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onPart(event.loaded / event.total);
    };
    request.onload = () =>
      resolve({
        status: request.status,
        answer: parse(request.responseText),
        retryAfter: request.getResponseHeader("Retry-After"),
      });
    request.onerror = () => reject(new Problem("network"));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

/**
 * Send the photo in `form`. Resolves to the upload answer, rejects with a Problem.
 *
 * @param {string} url
 * @param {FormData} form
 * @param {{ signal: AbortSignal, onPart?: (part: number) => void }} options
 * @returns {Promise<{ sessname: string, sesskey: string }>}
 */
export async function upload(url, form, options) {
  const { status, answer, retryAfter } = await post(url, form, options);
  if (status < 300 && answer?.status === "success") return answer;
  throw problemOf(status, answer, retryAfter);
}

const inTurn = limiter(MAX_REQUESTS);
let polls = 0; // photos that are asked for now

/**
 * Get JSON from `url`; a connection that is silent for `seconds` counts as lost and rejects.
 *
 * @param {string} url
 * @param {number} seconds
 * @param {AbortSignal} signal
 */
export async function getJson(url, seconds, signal) {
  // One controller for both reasons to stop: AbortSignal.any is too new for phones in use.
  const either = new AbortController();
  const stop = () => either.abort(signal.reason);
  const silence = setTimeout(stop, 1000 * seconds);
  signal.addEventListener("abort", stop, { once: true });
  try {
    const response = await fetch(url, {
      signal: either.signal,
      cache: "no-store",
      headers: { Accept: "application/json" },
    });
    return { status: response.status, answer: parse(await response.text()) };
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", stop);
  }
}

/**
 * What to call while a photo is followed: `onState` with the server's state, and how many photos
 * are before it (null: not known); `onTrouble` at each lost connection.
 *
 * @typedef {{ onState: (state: string, place?: number | null) => void, onTrouble: () => void }} Listeners
 */

/**
 * Ask `url` until the recognition is over. Resolves to the result, rejects with a Problem.
 *
 * While the photo is queued the requests are short, so that the step to "processing" is seen.
 *
 * @param {string} url
 * @param {Listeners & { signal: AbortSignal }} options
 * @returns {Promise<Answer>}
 */
export async function poll(url, options) {
  polls += 1;
  try {
    return await pollUntilDone(url, options);
  } finally {
    polls -= 1;
  }
}

/**
 * @param {string} url
 * @param {Listeners & { signal: AbortSignal }} options
 * @returns {Promise<Answer>}
 */
async function pollUntilDone(url, { signal, onState, onTrouble }) {
  let wait = 1;
  let failures = 0;
  for (;;) {
    const start = performance.now();
    let reply = null;
    try {
      reply = await inTurn(() => {
        // No request is held by the server while other photos wait for their turn to ask.
        const seconds = polls > MAX_REQUESTS ? 0 : wait;
        return getJson(`${url}&wait=${seconds}`, seconds + PATIENCE, signal);
      }, signal);
    } catch {
      signal.throwIfAborted();
    }
    if (reply === null || reply.answer === null || reply.status >= 500) {
      failures += 1;
      onTrouble();
      await pause(backoff(failures), signal);
      continue;
    }
    failures = 0;
    const { status, answer } = reply;
    if (answer.state === "complete") return answer;
    if (answer.state === "failure") throw problemOf(500, answer);
    if (answer.status === "error" || status >= 400) {
      throw problemOf(status >= 400 ? status : 404, answer);
    }
    onState(answer.state);
    wait = answer.state === "processing" ? MAX_WAIT : Math.min(MAX_WAIT, 2 * wait);
    const interval = Math.max(MIN_INTERVAL, CROWD_INTERVAL * polls);
    const rest = interval - (performance.now() - start);
    if (rest > 0) await pause(rest, signal);
  }
}
