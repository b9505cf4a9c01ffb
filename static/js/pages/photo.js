// The page of one photo: its result, or how far it is until then.

/** @import { Answer } from "../shared/api.js" */

import { el, find, setText } from "../shared/dom.js";
import { follow } from "../shared/follow.js";
import { t, tn } from "../shared/i18n.js";
import { address } from "../shared/kinds.js";
import { asProblem } from "../shared/problem.js";
import { resultView, summaryOf } from "../viewer/viewer.js";

const view = find("#view");
const { kind = "", task = "", key = "" } = view.dataset;
const spoken = el("p", { className: "unseen", role: "status" });

/** @param {Answer} answer */
function show(answer) {
  // A photo that is gone has no picture either.
  const picture = answer.code === "not_found" ? "" : address(kind, "input", { task, key });
  const result = resultView({ kind, answer, picture, task, key, level: 2 });
  view.replaceChildren(el("section", { className: "panel" }, result));
}

/** @param {string} words */
function setTitle(words) {
  const title = view.querySelector("#state-title");
  if (title) setText(title, words);
}

/**
 * @param {string} state
 * @param {number | null} [place]
 */
function onState(state, place) {
  const running = state === "processing";
  setTitle(running ? t("Recognising") : t("Waiting in the queue"));
  const help = view.querySelector(".photo-help");
  if (help) help.textContent = running ? "" : placeWords(place);
}

/** @param {number | null} [place] */
function placeWords(place) {
  if (typeof place !== "number") return t("Many photos are ahead of this one.");
  if (place === 0) return t("This photo is next.");
  return tn(
    place,
    "{n} photo is ahead of this one.",
    "{n} photos are ahead of this one.",
  );
}

/** @returns {Promise<Answer>} */
async function finalAnswer() {
  const onTrouble = () => setTitle(t("Connection lost, retrying"));
  try {
    return await follow({ kind, task, key }, { onState, onTrouble });
  } catch (error) {
    const { code, message } = asProblem(error);
    return { state: "failure", code, error: message };
  }
}

/** @type {Answer} */
const answer = JSON.parse(view.dataset.answer ?? "{}");
if (answer.state === "complete" || answer.state === "failure") {
  show(answer);
} else {
  view.before(spoken);
  const final = await finalAnswer();
  show(final);
  spoken.textContent = summaryOf(final);
}
