// One photo of the list, opened over it.

import { el, withQuery } from "../../shared/dom.js";
import { moment, t } from "../../shared/i18n.js";
import { address } from "../../shared/kinds.js";
import { resultView } from "../../viewer/viewer.js";
import { ask, keep } from "./asking.js";
import { keptAnswer, lineOf, metaOf, nameOf, smallPicture } from "./cards.js";

const part = (name) => document.getElementById(name ? `opened-${name}` : "opened");
const dialog = part();

let shown = null; // the entry in the dialog, with what the server said of it last
let asking = new AbortController();

function tell(title, text) {
  return el(
    "div",
    { className: "kept" },
    shown.thumb ? smallPicture(shown) : "",
    el("div", {}, el("p", { className: "kept-title" }, title), el("p", { className: "quiet" }, text)),
  );
}

function goneView(entry) {
  const labels = keptAnswer(entry).predictions.length ? lineOf(entry) : "";
  return el(
    "div",
    {},
    tell(
      t("No longer on the server"),
      t("It was deleted, or cleaned up after its time. What this browser kept of it is still here."),
    ),
    labels ? el("p", { className: "kept-line" }, labels) : "",
  );
}

function viewOf(entry, answer) {
  const { kind, task, key } = entry;
  const picture = address(kind, "input", { task, key });
  if (answer.state === "complete" || answer.state === "failure") {
    return resultView({ kind, answer, picture, task, key, name: nameOf(entry) });
  }
  const told = tell(lineOf({ ...entry, state: answer.state }), t("Its result appears here by itself."));
  const sent = el("img", { className: "sent", src: picture, alt: t("The photo as it was sent") });
  return el("div", {}, told, sent);
}

async function fill(entry) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const answer = entry.gone ? null : await ask(entry, signal);
    if (signal.aborted) return;
    shown = { ...entry, state: answer?.state ?? entry.state, gone: !answer };
    part("body").replaceChildren(answer ? viewOf(entry, answer) : goneView(entry));
    await keep(entry, answer);
  } catch {
    if (signal.aborted) return;
    const again = el("button", { type: "button", className: "button" }, t("Try again"));
    again.addEventListener("click", () => fill(entry));
    const sorry = tell(
      t("The server could not be reached."),
      t("What this browser kept: {line}", { line: lineOf(entry) }),
    );
    part("body").replaceChildren(sorry, again);
  }
}

function dress(entry, photoPage) {
  const { task, key } = entry;
  part("name").textContent = nameOf(entry);
  part("meta").replaceChildren(...metaOf(entry, moment(entry.time)));
  const link = part("link");
  link.hidden = Boolean(entry.gone);
  link.href = withQuery(photoPage, { task, key });
}

/** Show `entry`; `photoPage` is the address of the page for one photo. */
export function open(entry, { photoPage, newer, older }) {
  const other = shown?.task !== entry.task;
  shown = entry;
  dress(entry, photoPage);
  document.getElementById("newer").disabled = !newer;
  document.getElementById("older").disabled = !older;
  if (other) part("body").replaceChildren(el("p", { className: "quiet" }, t("Loading…")));
  if (!dialog.open) dialog.showModal();
  return fill(entry);
}

/** The list's entry of the photo in the dialog changed: show what is new of it. */
export function refresh(entry, options) {
  if (!dialog.open || shown?.task !== entry.task) return;
  const news = entry.state !== shown.state || Boolean(entry.gone) !== Boolean(shown.gone);
  if (news) open(entry, options);
}

/** The task of the photo in the dialog, or "". */
export function opened() {
  return dialog.open && shown ? shown.task : "";
}

/** Close the dialog, if it is open. */
export function close() {
  if (dialog.open) dialog.close();
}

dialog.addEventListener("close", () => {
  asking.abort();
  shown = null;
  part("body").replaceChildren(); // its pictures need memory
});
