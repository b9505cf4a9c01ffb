// What went wrong, as a value and in words with a way out.

import { el } from "./dom.js";
import { t, tn } from "./i18n.js";

/**
 * The limits of the server: bytes of one photo, the same in MB, megapixels, and formats in words.
 *
 * @typedef {{ bytes: number, mb?: string | number, megapixels?: string | number, formats?: string }} Limits
 */

/** @type {Record<number, string>} */
const BY_STATUS = {
  400: "bad_request",
  404: "not_found",
  409: "in_use",
  413: "image_too_large",
  415: "unsupported_format",
  429: "client_limit",
  502: "network", // what a proxy says while the server restarts
  503: "busy",
  504: "network",
  507: "storage_full",
};
/** @type {Record<string, string>} */
const FOR_THE_OPERATOR = {
  unsupported_model: "engine",
  worker_died: "engine",
  config: "engine",
};
const FINAL = ["no_photo", "image_too_large", "unsupported_format", "bad_image", "too_expensive", "unreadable"];

/** A refusal: `code` says which, `message` is the server's own sentence. */
export class Problem extends Error {
  /**
   * @param {string} code
   * @param {{ message?: string, retryAfter?: number }} [more] `retryAfter` in seconds
   */
  constructor(code, { message = "", retryAfter = 0 } = {}) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** Whether the same photo may do better another time. */
  get mayPass() {
    return !FINAL.includes(this.code);
  }
}

/**
 * Make the Problem that an answer stands for; `answer` is null when the body was not JSON.
 *
 * @param {number} status
 * @param {any} answer
 * @param {string | number | null} [retryAfter] seconds
 */
export function problemOf(status, answer, retryAfter = 0) {
  const code = answer?.code ?? BY_STATUS[status] ?? "unknown";
  return new Problem(FOR_THE_OPERATOR[code] ?? code, {
    message: String(answer?.error ?? answer?.sessname ?? answer?.message ?? ""),
    retryAfter: Number(answer?.retry_after ?? retryAfter) || 0,
  });
}

/**
 * Take an error as a Problem. One that is not is a mistake of ours, so it goes to the console.
 *
 * @param {unknown} error
 */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem("unknown");
}

/**
 * What happened, and what to do next, by code.
 *
 * @type {Record<string, (limits: Limits, problem: Problem) => [string, string]>}
 */
const WORDS = {
  no_photo: () => [t("No photo chosen yet."), t("Choose a photo, or drop one on this card.")],
  image_too_large: (limits) => [
    t("This photo is too large."),
    t("The limit is {mb} MB and {megapixels} megapixels. Make it smaller and try again.", limits),
  ],
  unsupported_format: (limits) => [
    t("This file is not a picture SCAI can read."),
    t("Choose a picture in one of these formats: {formats}.", limits),
  ],
  bad_image: () => [
    t("This picture could not be read."),
    t("It may be damaged. Open it in an image editor, save it as JPEG or PNG and try again."),
  ],
  too_expensive: () => [
    t("This picture takes too much work to read."),
    t("Open it in an image editor, save it as JPEG or PNG and try again."),
  ],
  resources: () => [t("The server had too little memory for this photo."), t("Try again later, or send it smaller.")],
  deadline: () => [
    t("This photo took too long."),
    t("Try again later, or tell the person who runs the server."),
  ],
  unreadable: () => [
    t("This file can no longer be read."),
    t("It may be a folder, or it may have been moved. Choose it again."),
  ],
  bad_request: () => [
    t("The server did not understand this upload."),
    t("Try another photo or another model."),
  ],
  busy: (_, { retryAfter }) => [
    t("The server is busy right now."),
    retryAfter
      ? tn(Math.ceil(retryAfter), "Try again in {n} second.", "Try again in {n} seconds.")
      : t("Try again in a minute."),
  ],
  client_limit: (_, { retryAfter }) => [
    t("Many photos from your connection are waiting already."),
    retryAfter
      ? tn(Math.ceil(retryAfter), "Try again in {n} second.", "Try again in {n} seconds.")
      : t("Try again in a minute."),
  ],
  storage_full: () => [
    t("The server has no space left for photos."),
    t("Try again later, or tell the person who runs the server."),
  ],
  not_found: () => [t("The server no longer has this photo."), t("Send it again.")],
  in_use: () => [
    t("This photo is being recognised right now."),
    t("Wait for its result, then try again."),
  ],
  network: () => [
    t("The server could not be reached."),
    t("Check your connection, then try again. Your photo is still here."),
  ],
  engine: () => [
    t("The model could not process this photo."),
    t("Try again, or tell the person who runs the server."),
  ],
  unknown: () => [
    t("Something went wrong on the server."),
    t("Try again. If the problem persists, tell the person who runs the server."),
  ],
};

/**
 * Say what happened and what to do next.
 *
 * @param {Problem} problem
 * @param {Limits} limits
 */
export function wordsOf(problem, limits) {
  return (WORDS[problem.code] ?? WORDS.unknown)(limits, problem);
}

/**
 * Fill `box` (a live region) with the problem; `retry` is offered where it may help.
 *
 * @param {Element} box
 * @param {Problem} problem
 * @param {Limits} limits
 * @param {(() => void) | null} [retry]
 */
export function showProblem(box, problem, limits, retry = null) {
  const [title, help] = wordsOf(problem, limits);
  box.replaceChildren(el("p", { className: "problem-title" }, title), el("p", {}, help));
  // The sentence of this refusal is the original server's, and names fewer formats than there are.
  const detail = problem.code === "unsupported_format" ? "" : problem.message;
  if (detail) box.append(el("p", { className: "problem-detail" }, detail));
  if (retry && problem.mayPass) {
    const button = el("button", { type: "button", className: "plain" }, t("Try again"));
    button.addEventListener("click", retry);
    box.append(button);
  }
}
