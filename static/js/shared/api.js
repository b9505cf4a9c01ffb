// The two requests of a recognition: send the photo, then ask until there is a verdict.

import { pause } from "./dom.js";
import { Problem, problemOf } from "./problem.js";
import { turns } from "./turns.js";

const LONGEST_WAIT = 20; // seconds the server may hold one question
const PATIENCE = 15; // seconds more before a silent connection counts as lost
const SHORTEST_TURN = 500; // ms between two questions, should the server not hold them
const MOST_QUESTIONS = 3; // at once: a browser has six connections, and uploads need some
const CROWD_TURN = 20; // ms between two questions, for each photo that is asked for
const LONGEST_PAUSE = 15000; // ms between two attempts while the connection is lost

function parse(body) {
  try {
    const answer = JSON.parse(body);
    return answer !== null && typeof answer === "object" ? answer : null;
  } catch {
    return null;
  }
}

/** Send `form` to `url`. Resolves to the upload answer, rejects with a Problem. */
export function upload(url, form, { signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status < 300 && answer?.status === "success") resolve(answer);
      else reject(problemOf(request.status, answer, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new Problem("network"));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

const inTurn = turns(MOST_QUESTIONS);
let followed = 0;

async function ask(url, wait, signal) {
  // One controller for both reasons to stop: AbortSignal.any is too new for phones in use.
  const either = new AbortController();
  const stop = () => either.abort(signal.reason);
  const silence = setTimeout(stop, 1000 * (wait + PATIENCE));
  signal.addEventListener("abort", stop, { once: true });
  try {
    const response = await fetch(`${url}&wait=${wait}`, {
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
 * Ask `url` until the recognition is over. Resolves to the result, rejects with a Problem.
 *
 * `onState(state)` follows the server, `onTrouble()` is told of each lost connection. While the
 * photo is queued the questions are short, so that the step to "processing" is seen.
 */
export async function follow(url, options) {
  followed += 1;
  try {
    return await asked(url, options);
  } finally {
    followed -= 1;
  }
}

async function asked(url, { signal, onState, onTrouble }) {
  let wait = 1;
  let lost = 0;
  for (;;) {
    const start = performance.now();
    let reply = null;
    try {
      // No question is held by the server while other photos wait for their turn to ask.
      const held = () => ask(url, followed > MOST_QUESTIONS ? 0 : wait, signal);
      reply = await inTurn(held, signal);
    } catch {
      signal.throwIfAborted();
    }
    if (reply === null || reply.answer === null || reply.status >= 500) {
      lost += 1;
      onTrouble();
      await pause(Math.min(LONGEST_PAUSE, 500 * 2 ** lost) * (0.75 + Math.random() / 4), signal);
      continue;
    }
    lost = 0;
    const { status, answer } = reply;
    if (answer.state === "complete") return answer;
    if (answer.state === "failure") throw problemOf(500, answer);
    if (answer.status === "error" || status >= 400) {
      throw problemOf(status >= 400 ? status : 404, answer);
    }
    onState(answer.state);
    wait = answer.state === "processing" ? LONGEST_WAIT : Math.min(LONGEST_WAIT, 2 * wait);
    const turn = Math.max(SHORTEST_TURN, CROWD_TURN * followed);
    const rest = turn - (performance.now() - start);
    if (rest > 0) await pause(rest, signal);
  }
}
