// A recognition without a result: why, and what to do about it.

/** @import { Answer } from "../shared/api.js" */

import { el } from "../shared/dom.js";
import { t } from "../shared/i18n.js";

const OPERATOR = ["engine", "config", "unsupported_model", "worker_died"];

/**
 * @param {string} code
 * @returns {[string, string]}
 */
function wordsOf(code) {
  if (OPERATOR.includes(code)) {
    return [
      t("The model could not process this photo."),
      t("Send it again or choose another model. If the problem persists, tell the person who runs the server."),
    ];
  }
  switch (code) {
    case "bad_image":
      return [
        t("This picture could not be read."),
        t("It may be damaged. Open it in an image editor, save it as JPEG or PNG and send that."),
      ];
    case "unsupported_format":
      return [t("This file is not a picture SCAI can read."), t("Save it as JPEG or PNG and send that.")];
    case "image_too_large":
      return [t("This picture has too many pixels."), t("Make it smaller and send it again.")];
    case "too_expensive":
      return [t("This picture takes too much work to read."), t("Open it in an image editor, save it as JPEG or PNG and try again.")];
    case "resources":
      return [t("The server had too little memory for this photo."), t("Try again later, or send it smaller.")];
    case "deadline":
      return [t("This photo took too long."), t("Try again later, or tell the person who runs the server.")];
    case "not_found":
      return [
        t("The server no longer has this photo."),
        t("Photos are deleted after some time. Send it again."),
      ];
    default:
      return [
        t("Something went wrong on the server."),
        t("Send the photo again. If the problem persists, tell the person who runs the server."),
      ];
  }
}

/**
 * Say what happened in a line; "" for a code that has no words of its own.
 *
 * @param {string} code
 */
export function titleOf(code) {
  const [title] = wordsOf(code);
  return title === wordsOf("")[0] ? "" : title;
}

/**
 * Say what happened and what to do, with the server's own sentence below.
 *
 * @param {Answer} answer
 */
export function failure(answer) {
  const [title, help] = wordsOf(answer.code ?? "");
  const words = String(answer.error || answer.message || "");
  const node = el(
    "div",
    { className: "problem view-problem" },
    el("p", { className: "problem-title" }, title),
    el("p", {}, help),
  );
  if (words) node.append(el("p", { className: "problem-detail" }, t("The server says: {words}", { words })));
  return node;
}
