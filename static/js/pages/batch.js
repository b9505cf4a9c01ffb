// The page of batches: a form that starts one, the list of this browser's batches, and one to see.

/** @import { Selection } from "./batch/files.js" */
/** @import { OwnBatch } from "./batch/own_batches.js" */

import { el, find, withQuery } from "../shared/dom.js";
import { moment, number, t, tn } from "../shared/i18n.js";
import { asProblem, showProblem } from "../shared/problem.js";
import { confirmDelete } from "./batch/confirm.js";
import { Intake, nameOf } from "./batch/intake.js";
import * as ownBatches from "./batch/own_batches.js";
import { removeBatch } from "./batch/removal.js";
import { create } from "./batch/upload.js";
import { View } from "./batch/view.js";

const page = find("#page");
const { address = "", api = "", viewer = "" } = page.dataset;
const limits = JSON.parse(page.dataset.limits ?? "{}");
document.documentElement.classList.add("js");

/** @param {{ id: string, key: string, name?: string }} batch */
function open(batch) {
  const view = new View(batch, page);
  view.start();
  return view;
}

/**
 * @param {Selection} selection
 * @param {Record<string, string>} fields
 */
async function begin(selection, fields) {
  intake.setBusy(true);
  try {
    const { id, key } = await create(api, fields, new AbortController().signal);
    const name = nameOf(selection);
    const counts = { all: selection.photos.length };
    ownBatches.add({ id, key, name, kind: fields.kind, time: Date.now(), counts, state: "open" });
    history.pushState(null, "", withQuery(address, { id, key }));
    if (!document.querySelector(`link[href="${viewer}"]`)) {
      document.head.append(el("link", { rel: "stylesheet", href: viewer }));
    }
    const view = open({ id, key, name });
    find("#batch-title").focus();
    window.scrollTo(0, 0);
    view.send(selection);
  } catch (error) {
    showProblem(find("#intake-problem"), asProblem(error), limits);
  } finally {
    intake.setBusy(false);
  }
}

/** @param {OwnBatch} batch */
function row({ id, key, name, time, counts = {}, state }) {
  const title = name || t("Batch");
  const href = withQuery(address, { id, key });
  const link = el("a", { href, className: "yours-name" }, title);
  const { all = 0, complete = 0 } = counts;
  const words = [
    moment(time),
    state === "complete"
      ? tn(all, "{n} photo", "{n} photos")
      : t("{done} of {all} done at the last visit", { done: number(complete), all: number(all) }),
  ];
  const button = el("button", { type: "button", className: "button" }, t("Delete"));
  button.setAttribute("aria-label", t("Delete {name}", { name: title }));
  const trouble = el("span", { className: "small yours-trouble", role: "status" });
  button.addEventListener("click", async () => {
    const answer = await confirmDelete(title, { fromList: true });
    if (answer === "list") ownBatches.remove(id);
    else if (answer === "delete") trouble.textContent = await removeBatch(api, { id, key });
    if (answer && !trouble.textContent) list();
  });
  const facts = el("p", { className: "small quiet" }, words.join(" · "));
  return el("li", {}, el("div", {}, link, facts, trouble), button);
}

function list() {
  const batches = ownBatches.all();
  find("#yours").replaceChildren(...batches.map(row));
  find("#yours-empty").hidden = batches.length > 0;
}

const intake = new Intake(limits, begin);
list();
window.addEventListener("popstate", () => location.reload());
window.addEventListener("storage", list);

const id = page.dataset.batch;
if (id) {
  const key = new URLSearchParams(location.search).get("key") ?? "";
  open({ id, key, name: ownBatches.get(id)?.name ?? "" });
}
