// A batch on display: what is under way, the drawings, the table, and what can be done with it.

import { withQuery } from "../../shared/dom.js";
import { moment, number, t, tn } from "../../shared/i18n.js";
import { Problem, showProblem } from "../../shared/problem.js";
import { Plots } from "./plots.js";
import { fromInput, sorted } from "./sources.js";
import { close, photosOf, send } from "./sending.js";
import { sure } from "./sure.js";
import { Table } from "./table.js";
import { hurry, watch } from "./watching.js";
import * as yours from "./yours.js";

const SHOW_EVERY = 250; // ms between two drawings of what changed
const SILENT = 6000; // ms without a new photo, after which nobody seems to send any more

const part = (id) => document.getElementById(id);
const KIND_WORDS = { image_classification: t("Image classification"), object_detection: t("Object detection") };
const TROUBLE = {
  lost: t("Connection lost, retrying"),
  full: t("The server is busy, waiting for it"),
  disk: t("The server has no room, waiting for it"),
};

export class View {
  /** The batch {id, key, name}; `page` holds the addresses and the server's limits. */
  constructor({ id, key, name = "" }, page) {
    Object.assign(this, { id, key, name, page });
    this.limits = JSON.parse(page.dataset.limits);
    this.url = `${page.dataset.api}/${id}`;
    this.items = new Map();
    this.files = new Map();
    this.told = null; // the last document
    this.sending = null; // {bytes, total} while this page sends
    this.grown = performance.now(); // when the last photo came in
    this.run = new AbortController();
    this.timer = 0;
    part("csv").href = withQuery(`${this.url}.csv`, { key });
    part("copy").addEventListener("click", () => this.copy());
    part("delete").addEventListener("click", () => this.remove());
    part("close").addEventListener("click", () => this.leave());
    for (const input of [part("again-folder"), part("again-photos")]) {
      input.addEventListener("change", () => this.goOn(input));
    }
    window.addEventListener("beforeunload", (event) => {
      if (this.sending) event.preventDefault();
    });
  }

  /** Show the batch and follow it to its end. */
  async start() {
    document.body.dataset.view = "batch";
    part("start").hidden = true;
    part("batch").hidden = false;
    const { signal } = this.run;
    try {
      await watch(this.url, this.key, {
        signal,
        onDocument: (told) => this.take(told),
        onTrouble: (lost) => this.trouble(lost ? TROUBLE.lost : ""),
      });
    } catch (error) {
      if (signal.aborted) return;
      this.fail(error);
    }
  }

  /** Send what was chosen into this batch, and close it. */
  async send(chosen) {
    for (const { file, name } of chosen.photos) this.files.set(name, file);
    this.sending = { bytes: 0, total: Math.max(1, chosen.bytes) };
    this.show();
    const { signal } = this.run;
    try {
      const lost = await send(photosOf(this.page.dataset.api, this), chosen, {
        signal,
        onProgress: (bytes) => {
          this.sending.bytes = bytes;
          this.later();
        },
        onAnswer: ({ state, counts }) => {
          // That all is done is for the document to say, which has the answers for the table.
          if (this.told && state !== "complete") Object.assign(this.told, { state, counts });
          hurry();
        },
        onTrouble: (code) => this.trouble(TROUBLE[code] ?? ""),
      });
      if (lost.length) this.fail(new Problem("unreadable", { message: lost.join(", ") }));
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    } finally {
      this.sending = null;
      this.grown = performance.now();
      this.later();
    }
  }

  take(told) {
    if (this.told === null) this.dress(told);
    if (told.counts.all !== this.told?.counts.all) this.grown = performance.now();
    this.told = told;
    for (const item of told.items) this.items.set(item.n, item);
    this.later();
  }

  /** Once the first document is there, it is known what the batch is about. */
  dress(told) {
    const { kind, created } = told;
    this.kind = kind;
    const { items, files } = this;
    const onOpen = async (item, list) => (await import("./opened.js")).open(kind, item, list);
    this.table = new Table({ kind, items, files, onOpen });
    this.plots = new Plots(part("plots"), kind);
    part("batch-kind").textContent = KIND_WORDS[kind] ?? kind;
    const facts = [moment(1000 * created)];
    if (told.model) facts.push(t("model {name}", { name: told.model }));
    if (told.threshold !== undefined) facts.push(t("at least {score}", { score: told.threshold }));
    part("batch-facts").textContent = facts.join(" · ");
  }

  /** Draw soon, and once for all that changes until then. */
  later() {
    this.timer ||= setTimeout(() => {
      this.timer = 0;
      this.show();
    }, SHOW_EVERY);
  }

  show() {
    this.showProgress();
    if (!this.told) return;
    const { counts } = this.told;
    part("batch-title").textContent = this.name || tn(counts.all, "{n} photo", "{n} photos");
    part("results").hidden = counts.all === 0;
    this.table.show();
    this.plots.show([...this.items.values()]);
    this.showResume();
    yours.update(this.id, { counts, state: this.told.state, kind: this.kind });
  }

  showProgress() {
    const { counts, state, expected = 0 } = this.told ?? { counts: null, state: "open" };
    part("sent").hidden = !this.sending;
    if (this.sending) bar("sent", this.sending.bytes / this.sending.total, percentOf(this.sending));
    const settled = counts ? counts.all - counts.waiting - counts.processing : 0;
    const all = Math.max(expected && state === "open" ? expected : 0, counts?.all ?? 0);
    const words = t("{done} of {all}", { done: number(settled), all: number(all) });
    bar("done", all ? settled / all : 0, all ? words : "");
    say(part("state-words"), this.sentence());
    const done = all ? `${Math.floor((100 * settled) / all)}% · ` : "";
    document.title = `${state === "complete" ? "" : done}${this.name || t("Batch")} · SCAI`;
  }

  sentence() {
    if (!this.told) return this.sending ? t("Sending the photos") : t("Asking the server");
    const { state, counts } = this.told;
    if (this.sending) return t("Sending the photos; the first answers come meanwhile");
    if (state === "open") return counts.all ? t("More photos may come") : t("No photo has arrived yet");
    if (state === "running") return t("Recognising");
    const bad = counts.failure + counts.refused;
    if (counts.all === 0) return t("This batch is empty");
    if (bad) return tn(bad, "Done. {n} file has no answer; the table says why", "Done. {n} files have no answer; the table says why");
    return t("Done. All photos have their answer");
  }

  /** An open batch to which nobody adds: offer to go on, or to leave it at what is there. */
  showResume() {
    const { state, counts, expected = 0 } = this.told;
    const silent = performance.now() - this.grown > SILENT;
    const wanted = state === "open" && !this.sending && silent;
    part("resume").hidden = !wanted;
    if (state === "open" && !this.sending && !silent) setTimeout(() => this.later(), SILENT);
    if (!wanted) return;
    say(
      part("resume-words"),
      expected
        ? t("{here} of {all} photos have arrived. Was the sending page closed? Choose the same again: what is here already is not sent twice.", { here: number(counts.all), all: number(expected) })
        : t("The sending page seems to be closed. Choose the same again: what is here already is not sent twice."),
    );
  }

  /** Send those of the newly chosen files that are not here yet. */
  async goOn(input) {
    const files = fromInput(input);
    input.value = "";
    const chosen = await sorted(files, this.limits);
    const here = new Set([...this.items.values()].map(({ name }) => name));
    chosen.photos = chosen.photos.filter(({ name }) => !here.has(name));
    if (chosen.photos.length || chosen.archive) this.send(chosen);
    else this.leave();
  }

  async leave() {
    try {
      await close(photosOf(this.page.dataset.api, this), this.run.signal);
      hurry();
    } catch (error) {
      if (!this.run.signal.aborted) this.fail(error);
    }
  }

  trouble(words) {
    const mark = part("trouble");
    mark.hidden = !words;
    mark.textContent = words;
  }

  fail(error) {
    if (!(error instanceof Problem)) console.error(error);
    const problem = error instanceof Problem ? error : new Problem("unknown");
    this.trouble("");
    if (problem.code === "not_found") this.gone();
    else showProblem(part("batch-problem"), problem, this.limits);
  }

  gone() {
    this.run.abort();
    yours.remove(this.id);
    const box = part("batch-problem");
    const [title, words] = [document.createElement("p"), document.createElement("p")];
    title.className = "problem-title";
    title.textContent = t("This batch is not there.");
    words.textContent = t("It was deleted, cleaned up after its time, or its link is not complete.");
    box.replaceChildren(title, words);
    say(part("state-words"), "");
    for (const id of ["csv", "copy", "delete"]) part(id).hidden = true;
  }

  async copy() {
    const button = part("copy");
    const words = button.textContent;
    const link = new URL(withQuery(this.page.dataset.address, this.link()), location.href).href;
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = t("Copied");
    } catch {
      window.prompt(t("The link of this batch"), link); // only there over https and on localhost
    }
    setTimeout(() => (button.textContent = words), 2000);
  }

  link() {
    return { id: this.id, key: this.key };
  }

  async remove() {
    if ((await sure(this.name || t("Batch"))) !== "delete") return;
    this.sending = null;
    this.run.abort();
    const words = await removeBatch(this.page.dataset.api, this);
    if (words) {
      say(part("state-words"), words);
      this.run = new AbortController();
      this.start();
    } else location.assign(this.page.dataset.address);
  }
}

/** Remove a batch from the server and from this browser: "", or why it is still there. */
export async function removeBatch(api, { id, key }) {
  try {
    const response = await fetch(withQuery(`${api}/${id}`, { key }), { method: "DELETE" });
    if (response.status === 409) return t("Some photos are being recognised just now. Try again in a moment.");
    if (!response.ok && response.status !== 404) return t("The server could not delete it. Try again later.");
  } catch {
    return t("The server could not be reached.");
  }
  yours.remove(id);
  return "";
}

const percentOf = ({ bytes, total }) => `${Math.floor((100 * bytes) / total)}%`;

function bar(id, fraction, words) {
  const box = part(id);
  const track = box.querySelector(".track");
  const percent = Math.round(100 * Math.min(1, fraction));
  track.setAttribute("aria-valuenow", String(percent));
  track.firstElementChild.style.width = `${percent}%`;
  say(box.querySelector(".bar-number"), words);
}

function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}
