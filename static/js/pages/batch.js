// The page of batches: a form that starts one, the list of those there were, and one on display.

import { el, withQuery } from "../shared/dom.js";
import { moment, number, t, tn } from "../shared/i18n.js";
import { Problem, showProblem } from "../shared/problem.js";
import { Intake, nameOf } from "./batch/intake.js";
import { create } from "./batch/sending.js";
import { sure } from "./batch/sure.js";
import { removeBatch, View } from "./batch/view.js";
import * as yours from "./batch/yours.js";

const page = document.getElementById("page");
const limits = JSON.parse(page.dataset.limits);
document.documentElement.classList.add("js");

function open(batch) {
  const view = new View(batch, page);
  view.start();
  return view;
}

async function begin(chosen, fields) {
  intake.busy(true);
  try {
    const { id, key } = await create(page.dataset.api, fields, new AbortController().signal);
    const name = nameOf(chosen);
    const counts = { all: chosen.photos.length };
    yours.add({ id, key, name, kind: fields.kind, time: Date.now(), counts, state: "open" });
    history.pushState(null, "", withQuery(page.dataset.address, { id, key }));
    if (!document.querySelector(`link[href="${page.dataset.viewer}"]`)) {
      document.head.append(el("link", { rel: "stylesheet", href: page.dataset.viewer }));
    }
    const view = open({ id, key, name });
    document.getElementById("batch-title").focus();
    window.scrollTo(0, 0);
    view.send(chosen);
  } catch (error) {
    if (!(error instanceof Problem)) console.error(error);
    const problem = error instanceof Problem ? error : new Problem("unknown");
    showProblem(document.getElementById("intake-problem"), problem, limits);
  } finally {
    intake.busy(false);
  }
}

function line({ id, key, name, time, counts = {}, state }) {
  const link = el("a", { href: withQuery(page.dataset.address, { id, key }), className: "yours-name" }, name || t("Batch"));
  const { all = 0, complete = 0 } = counts;
  const words = [
    moment(time),
    state === "complete"
      ? tn(all, "{n} photo", "{n} photos")
      : t("{done} of {all} when last seen", { done: number(complete), all: number(all) }),
  ];
  const away = el("button", { type: "button", className: "button" }, t("Delete"));
  away.setAttribute("aria-label", t("Delete {name}", { name: name || t("Batch") }));
  const trouble = el("span", { className: "small yours-trouble", role: "status" });
  away.addEventListener("click", async () => {
    const answer = await sure(name || t("Batch"), { fromList: true });
    if (answer === "list") yours.remove(id);
    else if (answer === "delete") trouble.textContent = await removeBatch(page.dataset.api, { id, key });
    if (answer && !trouble.textContent) list();
  });
  return el("li", {}, el("div", {}, link, el("p", { className: "small quiet" }, words.join(" · ")), trouble), away);
}

function list() {
  const batches = yours.all();
  document.getElementById("yours").replaceChildren(...batches.map(line));
  document.getElementById("yours-empty").hidden = batches.length > 0;
}

const intake = new Intake(limits, begin);
list();
window.addEventListener("popstate", () => location.reload());
window.addEventListener("storage", list);

if (page.dataset.batch) {
  const id = page.dataset.batch;
  const key = new URLSearchParams(location.search).get("key") ?? "";
  open({ id, key, name: yours.find(id)?.name ?? "" });
}
