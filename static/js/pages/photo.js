// The page of one photo: its result to look into, or how far it is until then.

import { el } from "../shared/dom.js";
import { follow } from "../shared/follow.js";
import { t, tn } from "../shared/i18n.js";
import { address } from "../shared/kinds.js";
import { resultView, summaryOf } from "../viewer/viewer.js";

const view = document.querySelector("#view");
const { kind, task, key } = view.dataset;
const spoken = el("p", { className: "unseen", role: "status" });

function show(answer) {
  // A photo that is gone has no picture either.
  const picture = answer.code === "not_found" ? "" : address(kind, "input", { task, key });
  const result = resultView({ kind, answer, picture, task, key, level: 2 });
  view.replaceChildren(el("section", { className: "panel" }, result));
}

function waiting(state, place) {
  const title = view.querySelector("#state-title");
  const words = state === "processing" ? t("Recognising") : t("Waiting in the queue");
  if (title && title.textContent !== words) title.textContent = words;
  const help = view.querySelector(".photo-help");
  if (help) help.textContent = state === "processing" ? "" : before(place);
}

function before(place) {
  if (typeof place !== "number") return t("Many photos are recognised before this one.");
  if (place === 0) return t("This photo is next.");
  return tn(
    place,
    "{n} photo is recognised before this one.",
    "{n} photos are recognised before this one.",
  );
}

function lost() {
  const title = view.querySelector("#state-title");
  if (title) title.textContent = t("Connection lost, retrying");
}

async function verdict() {
  try {
    return await follow({ kind, task, key }, { onState: waiting, onTrouble: lost });
  } catch ({ code, message }) {
    return { state: "failure", code, error: message };
  }
}

const answer = JSON.parse(view.dataset.answer);
if (answer.state === "complete" || answer.state === "failure") {
  show(answer);
} else {
  view.before(spoken);
  const final = await verdict();
  show(final);
  spoken.textContent = summaryOf(kind, final);
}
