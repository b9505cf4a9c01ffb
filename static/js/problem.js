// What went wrong, as a value and as words with a way out.

import { el } from "./dom.js";
import { text } from "./text.js";

const BY_STATUS = {
  400: "bad_request",
  404: "not_found",
  413: "image_too_large",
  415: "unsupported_format",
  503: "busy",
  507: "storage_full",
};
const FOR_THE_OPERATOR = {
  unsupported_model: "engine",
  worker_died: "engine",
  config: "engine",
};
const NO_USE_TRYING = ["no_photo", "image_too_large", "unsupported_format", "bad_image"];

/** An answer that is a no: `code` says which, `message` is the server's own sentence. */
export class Problem extends Error {
  constructor(code, { message = "", retryAfter = 0 } = {}) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** The Problem an answer stands for; `answer` is null when the body was not JSON. */
export function problemOf(status, answer, retryAfter = 0) {
  const code = answer?.code ?? BY_STATUS[status] ?? "unknown";
  return new Problem(FOR_THE_OPERATOR[code] ?? code, {
    message: String(answer?.error ?? answer?.sessname ?? answer?.message ?? ""),
    retryAfter: Number(answer?.retry_after ?? retryAfter) || 0,
  });
}

/** Fill `box` (a live region) with the problem; `again` is offered where it may help. */
export function showProblem(box, problem, limits, again) {
  const say = text.problems[problem.code] ?? text.problems.unknown;
  const [title, help] = say(limits, problem);
  box.replaceChildren(
    el("p", { className: "problem-title" }, title),
    el("p", {}, help),
  );
  if (problem.message) box.append(el("p", { className: "problem-detail" }, problem.message));
  if (!NO_USE_TRYING.includes(problem.code)) {
    const button = el("button", { type: "button", className: "plain" }, text.tryAgain);
    button.addEventListener("click", again);
    box.append(button);
  }
}
