// One batch on the page: its progress, the drawings, the table, and what can be done with it.

/** @import { Selection, BatchLimits } from "./files.js" */
/** @import { Sending } from "./progress.js" */
/** @import { Item } from "./rows.js" */
/** @import { BatchDocument } from "./watch.js" */

import { el, find, setText, withQuery } from "../../shared/dom.js";
import { moment, number, t, tn } from "../../shared/i18n.js";
import { titleOf } from "../../shared/kinds.js";
import { asProblem, Problem, showProblem } from "../../shared/problem.js";
import { confirmDelete } from "./confirm.js";
import { fromInput, sort } from "./files.js";
import * as ownBatches from "./own_batches.js";
import { Plots } from "./plots.js";
import { showProgress } from "./progress.js";
import { removeBatch } from "./removal.js";
import { Table } from "./table.js";
import { close, photosUrl, send } from "./upload.js";
import { askNow, watch } from "./watch.js";

const SHOW_EVERY = 250; // ms between two drawings of what changed
const SILENCE = 6000; // ms without a new photo, after which nobody seems to send any more

/** @type {Record<import("./upload.js").Trouble, string>} */
const TROUBLE = {
  "": "",
  lost: t("Connection lost, retrying"),
  full: t("Server busy, waiting"),
  disk: t("Server out of disk space, waiting"),
};

export class View {
  /**
   * @param {{ id: string, key: string, name?: string }} batch
   * @param {HTMLElement} page holds the addresses and the server's limits
   */
  constructor({ id, key, name = "" }, page) {
    this.id = id;
    this.key = key;
    this.name = name;
    const { api = "", address = "", limits = "{}" } = page.dataset;
    this.api = api;
    this.address = address;
    /** @type {BatchLimits} */
    this.limits = JSON.parse(limits);
    this.url = `${api}/${id}`;
    this.kind = "";
    /** @type {Map<number, Item>} */
    this.items = new Map();
    /** @type {Map<string, File>} */
    this.files = new Map();
    /** @type {BatchDocument | null} */
    this.latest = null; // the last document
    /** @type {{ table: Table, plots: Plots } | null} */
    this.parts = null;
    /** @type {Sending | null} */
    this.sending = null;
    this.grownAt = performance.now(); // when the last photo came in
    this.run = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.listen();
  }

  listen() {
    find("#csv", document, HTMLAnchorElement).href = withQuery(`${this.url}.csv`, { key: this.key });
    find("#copy").addEventListener("click", () => this.copy());
    find("#delete").addEventListener("click", () => this.remove());
    find("#close").addEventListener("click", () => this.leave());
    for (const id of ["#again-folder", "#again-photos"]) {
      const input = find(id, document, HTMLInputElement);
      input.addEventListener("change", () => this.resume(input));
    }
    window.addEventListener("beforeunload", (event) => {
      if (this.sending) event.preventDefault();
    });
  }

  /** Show the batch and follow it to its end. */
  async start() {
    document.body.dataset.view = "batch";
    find("#start").hidden = true;
    find("#batch").hidden = false;
    const { signal } = this.run;
    try {
      await watch(this.url, this.key, {
        signal,
        onDocument: (batch) => this.take(batch),
        onTrouble: (lost) => this.showTrouble(lost ? TROUBLE.lost : ""),
      });
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  /**
   * Send photos or a ZIP into this batch, and close it.
   *
   * @param {Selection} selection
   */
  async send(selection) {
    for (const { file, name } of selection.photos) this.files.set(name, file);
    const sending = (this.sending = { bytes: 0, total: Math.max(1, selection.bytes) });
    this.show();
    const { signal } = this.run;
    try {
      const unreadable = await send(photosUrl(this.api, this), selection, {
        signal,
        onProgress: (bytes) => {
          sending.bytes = bytes;
          this.showSoon();
        },
        onAnswer: ({ state, counts }) => {
          // That all is done is for the document to say, which has the results for the table.
          if (this.latest && state !== "complete") Object.assign(this.latest, { state, counts });
          askNow();
        },
        onTrouble: (code) => this.showTrouble(TROUBLE[code]),
      });
      if (unreadable.length) {
        this.fail(new Problem("unreadable", { message: unreadable.join(", ") }));
      }
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    } finally {
      this.sending = null;
      this.grownAt = performance.now();
      this.showSoon();
    }
  }

  /** @param {BatchDocument} batch */
  take(batch) {
    this.parts ??= this.build(batch);
    if (batch.counts.all !== this.latest?.counts.all) this.grownAt = performance.now();
    this.latest = batch;
    for (const item of batch.items) this.items.set(item.n, item);
    this.showSoon();
  }

  /**
   * Build what depends on the kind, which the first document says.
   *
   * @param {BatchDocument} batch
   */
  build({ kind, created, model, threshold }) {
    this.kind = kind;
    const { items, files } = this;
    const onOpen = async (/** @type {Item} */ item, /** @type {Item[]} */ list) =>
      (await import("./detail.js")).open(kind, item, list);
    find("#batch-kind").textContent = titleOf(kind);
    const facts = [moment(1000 * created)];
    if (model) facts.push(t("model {name}", { name: model }));
    if (threshold !== undefined) facts.push(t("threshold {score}", { score: threshold }));
    find("#batch-facts").textContent = facts.join(" · ");
    const table = new Table({ kind, items, files, onOpen });
    return { table, plots: new Plots(find("#plots"), kind) };
  }

  /** Draw soon, and once for all that changes until then. */
  showSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.show();
    }, SHOW_EVERY);
  }

  show() {
    showProgress(this.name, this.latest, this.sending);
    if (!this.latest || !this.parts) return;
    const { counts, state } = this.latest;
    find("#batch-title").textContent = this.name || tn(counts.all, "{n} photo", "{n} photos");
    find("#results").hidden = counts.all === 0;
    this.parts.table.show();
    this.parts.plots.show([...this.items.values()]);
    this.showResume(this.latest);
    ownBatches.update(this.id, { counts, state, kind: this.kind });
  }

  /**
   * Offer to go on with an open batch to which nobody adds, or to leave it as it is.
   *
   * @param {BatchDocument} batch
   */
  showResume({ state, counts, expected = 0 }) {
    const waiting = state === "open" && !this.sending;
    const silent = performance.now() - this.grownAt > SILENCE;
    find("#resume").hidden = !waiting || !silent;
    if (waiting && !silent) setTimeout(() => this.showSoon(), SILENCE);
    if (!waiting || !silent) return;
    const values = { here: number(counts.all), all: number(expected) };
    const words = expected
      ? t("{here} of {all} photos have arrived. Was the sending page closed? Choose the same files again; those already here are not sent twice.", values)
      : t("The sending page seems to be closed. Choose the same files again; those already here are not sent twice.");
    setText(find("#resume-words"), words);
  }

  /**
   * Send those of the newly selected files that are not here yet.
   *
   * @param {HTMLInputElement} input
   */
  async resume(input) {
    const files = fromInput(input);
    input.value = "";
    const selection = await sort(files, this.limits);
    const here = new Set([...this.items.values()].map(({ name }) => name));
    selection.photos = selection.photos.filter(({ name }) => !here.has(name));
    if (selection.photos.length || selection.archive) this.send(selection);
    else this.leave();
  }

  async leave() {
    try {
      await close(photosUrl(this.api, this), this.run.signal);
      askNow();
    } catch (error) {
      if (!this.run.signal.aborted) this.fail(error);
    }
  }

  /** @param {string} words */
  showTrouble(words) {
    const mark = find("#trouble");
    mark.hidden = !words;
    mark.textContent = words;
  }

  /** @param {unknown} error */
  fail(error) {
    const problem = asProblem(error);
    this.showTrouble("");
    if (problem.code === "not_found") this.showGone();
    else showProblem(find("#batch-problem"), problem, this.limits);
  }

  showGone() {
    this.run.abort();
    ownBatches.remove(this.id);
    find("#batch-problem").replaceChildren(
      el("p", { className: "problem-title" }, t("This batch was not found.")),
      el("p", {}, t("It may have been deleted or expired, or the link may be incomplete.")),
    );
    setText(find("#state-words"), "");
    for (const id of ["#csv", "#copy", "#delete"]) find(id).hidden = true;
  }

  async copy() {
    const button = find("#copy");
    const words = button.textContent;
    const { id, key } = this;
    const link = new URL(withQuery(this.address, { id, key }), location.href).href;
    try {
      await navigator.clipboard.writeText(link);
      button.textContent = t("Copied");
    } catch {
      window.prompt(t("Link to this batch"), link); // only there over https and on localhost
    }
    setTimeout(() => (button.textContent = words), 2000);
  }

  async remove() {
    if ((await confirmDelete(this.name || t("Batch"))) !== "delete") return;
    this.sending = null;
    this.run.abort();
    const words = await removeBatch(this.api, this);
    if (words) {
      setText(find("#state-words"), words);
      this.run = new AbortController();
      this.start();
    } else location.assign(this.address);
  }
}
