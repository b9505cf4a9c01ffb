// Forms to try the operations with: their snippets follow what is filled in.

/** @import { Inputs, Operation } from "./snippets.js" */

import { el, find, findAll } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { firstLine, showAnswer } from "./answers.js";
import { curl, pathOf, python, queryOf } from "./snippets.js";

/**
 * What an upload made: a photo (its task and file) or a batch (its id).
 *
 * @typedef {{ kind: string, key: string, task?: string, file?: File, id?: string }} Made
 */

/** @type {Record<string, typeof curl>} */
const WRITERS = { curl, python };

/** One operation on the page, with its form. */
export class Try {
  /**
   * @param {HTMLElement} article
   * @param {(made: Made[]) => void} onMade
   */
  constructor(article, onMade) {
    /** @type {Operation} */
    this.operation = JSON.parse(article.dataset.operation ?? "{}");
    this.article = article;
    this.form = find("form", article, HTMLFormElement);
    this.line = find(".said", article);
    this.box = find(".came", article);
    this.stop = find(".stop", article);
    this.onMade = onMade;
    /** @type {AbortController | null} */
    this.run = null; // of the request under way
    /** @type {string[]} */
    this.urls = [];
    this.form.addEventListener("input", () => this.write());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.stop.addEventListener("click", () => this.run?.abort());
    this.write();
  }

  /**
   * The field of a value; every value has one.
   *
   * @param {string} name
   */
  field(name) {
    return /** @type {HTMLInputElement} */ (this.form.elements.namedItem(name));
  }

  /** Read the form: texts, or names of files, by name; a value that was never touched is missing. */
  inputs() {
    /** @type {Inputs} */
    const inputs = {};
    for (const { name, file, required } of this.operation.values) {
      const { value, files } = this.field(name);
      if (file) {
        if (files?.length) inputs[name] = [...files].map((each) => each.name);
      } else if (value || !required) inputs[name] = value;
    }
    return inputs;
  }

  /** Write the snippets again. */
  write() {
    const inputs = this.inputs();
    for (const block of findAll("pre[data-code]", this.article)) {
      const writer = WRITERS[block.dataset.code ?? "curl"];
      find("code", block).textContent = writer(this.operation, location.origin, inputs);
    }
  }

  /**
   * Fill in `values` by name, if the form has a field for each of them.
   *
   * @param {Record<string, string>} values
   */
  fill(values) {
    if (!Object.keys(values).every((name) => this.field(name))) return;
    for (const [name, text] of Object.entries(values)) {
      const field = this.field(name);
      if (field.type !== "file") field.value = text;
    }
    this.write();
  }

  /** Say what is missing, in a sentence, or "". */
  missing() {
    for (const { name, required } of this.operation.values) {
      const field = this.field(name);
      if (required && !field.value) {
        field.focus();
        return t("Fill in {name} first.", { name });
      }
    }
    return "";
  }

  /** @returns {[string, RequestInit]} */
  request() {
    const { method, values } = this.operation;
    const inputs = this.inputs();
    for (const { name, required } of values) if (!required) inputs[name] ??= "";
    const query = queryOf(this.operation, inputs);
    const url = pathOf(this.operation, inputs) + (query ? `?${query}` : "");
    const headers = { Accept: "application/json, */*" };
    /** @type {RequestInit} */
    const options = { method, cache: "no-store", headers };
    const fields = values.filter(({ place }) => place === "form");
    if (fields.length) {
      const form = new FormData();
      for (const { name, file } of fields) {
        const field = this.field(name);
        if (!file && field.value) form.append(name, field.value);
        for (const each of (file && field.files) || []) form.append(name, each);
      }
      options.body = form;
    }
    const body = values.find(({ place }) => place === "body");
    if (body) options.body = this.field(body.name).files?.[0];
    return [url, options];
  }

  /**
   * @param {string} words
   * @param {boolean} bad
   */
  say(words, bad = false) {
    this.line.classList.toggle("bad", bad);
    this.line.textContent = words;
  }

  async send() {
    this.run?.abort();
    const missing = this.missing();
    this.box.replaceChildren();
    this.say(missing || t("Sending…"), Boolean(missing));
    if (missing) return;
    const run = (this.run = new AbortController());
    this.release();
    this.stop.hidden = false;
    const start = performance.now();
    try {
      const [url, options] = this.request();
      const response = await fetch(url, { ...options, signal: run.signal });
      this.say(firstLine(response, performance.now() - start), !response.ok);
      const { save } = this.operation;
      const keep = (/** @type {string} */ url_) => this.urls[this.urls.push(url_) - 1];
      const answer = await showAnswer(this.box, response, { save, keep });
      if (response.ok && this.operation.opens) this.open(answer);
    } catch {
      if (this.run !== run) return;
      if (run.signal.aborted) this.say(t("Stopped."));
      else this.say(t("The server could not be reached. Check the connection, then try again."), true);
    } finally {
      if (this.run === run) this.stop.hidden = true;
    }
  }

  /** @param {any} answer */
  open(answer) {
    const { kind = "", opens } = this.operation;
    const files = this.files();
    const rows = [answer].flat().map((row, i) => ({ ...row, file: files[i] }));
    const made = rows
      .filter(({ status }) => status === "success")
      .map(({ id, key, sessname, sesskey, file }) =>
        opens === "batch" ? { kind, id, key } : { kind, task: sessname, key: sesskey, file },
      );
    if (!made.length) return;
    this.onMade(opens === "batch" ? made.slice(0, 1) : made);
    const words = t("Its name and key are filled in below.");
    this.box.append(el("p", { className: "quiet small" }, words));
  }

  /** List the files of the form, in order. */
  files() {
    const fields = this.operation.values.filter(({ file }) => file);
    return fields.flatMap(({ name }) => [...(this.field(name).files ?? [])]);
  }

  release() {
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }
}
