// Forms to try the operations with: their snippets follow what is filled in.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";
import { firstLine, showAnswer } from "./answers.js";
import { curl, pathOf, python, queryOf } from "./snippets.js";

/**
 * One operation on the page, with its form. `onOpened(made)` is told of what it made: [{kind, key,
 * task, file}], or [{kind, key, id}] for a batch.
 */
export class Try {
  constructor(article, onOpened) {
    this.operation = JSON.parse(article.dataset.operation);
    this.article = article;
    this.form = article.querySelector("form");
    this.line = article.querySelector(".said");
    this.box = article.querySelector(".came");
    this.stop = article.querySelector(".stop");
    this.onOpened = onOpened;
    this.run = null; // AbortController of the request under way
    this.urls = [];
    this.form.addEventListener("input", () => this.write());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.stop.addEventListener("click", () => this.run?.abort());
    this.write();
  }

  /** name -> text, or the names of files; a value that was never touched is missing. */
  given() {
    const found = {};
    for (const { name, file, required } of this.operation.values) {
      const field = this.form.elements.namedItem(name);
      if (file) {
        if (field.files.length) found[name] = [...field.files].map((each) => each.name);
      } else if (field.value || !required) found[name] = field.value;
    }
    return found;
  }

  /** Write the snippets anew. */
  write() {
    const given = this.given();
    const say = { curl, python };
    for (const block of this.article.querySelectorAll("pre[data-code]")) {
      const text = say[block.dataset.code](this.operation, location.origin, given);
      block.firstElementChild.textContent = text;
    }
  }

  /** Fill in `values` by name, if the form has a field for each of them. */
  fill(values) {
    if (!Object.keys(values).every((name) => this.form.elements.namedItem(name))) return;
    for (const [name, text] of Object.entries(values)) {
      const field = this.form.elements.namedItem(name);
      if (field && field.type !== "file") field.value = text;
    }
    this.write();
  }

  /** What is missing, in a sentence, or "". */
  missing() {
    for (const { name, required } of this.operation.values) {
      const field = this.form.elements.namedItem(name);
      if (required && !field.value) {
        field.focus();
        return t("Fill in {name} first.", { name });
      }
    }
    return "";
  }

  request() {
    const { method, values } = this.operation;
    const given = this.given();
    for (const { name, required } of values) if (!required) given[name] ??= "";
    const query = queryOf(this.operation, given);
    const url = pathOf(this.operation, given) + (query ? `?${query}` : "");
    const options = { method, cache: "no-store", headers: { Accept: "application/json, */*" } };
    const fields = values.filter(({ place }) => place === "form");
    if (fields.length) {
      options.body = new FormData();
      for (const { name, file } of fields) {
        const field = this.form.elements.namedItem(name);
        const texts = file ? field.files : [field.value].filter(Boolean);
        for (const each of texts) options.body.append(name, each);
      }
    }
    const body = values.find(({ place }) => place === "body");
    if (body) options.body = this.form.elements.namedItem(body.name).files[0];
    return [url, options];
  }

  async send() {
    this.run?.abort();
    const missing = this.missing();
    this.box.replaceChildren();
    this.line.classList.toggle("bad", Boolean(missing));
    this.line.textContent = missing || t("Sending…");
    if (missing) return;
    const run = (this.run = new AbortController());
    this.release();
    this.stop.hidden = false;
    const start = performance.now();
    try {
      const [url, options] = this.request();
      const response = await fetch(url, { ...options, signal: run.signal });
      this.line.classList.toggle("bad", !response.ok);
      this.line.textContent = firstLine(response, performance.now() - start);
      const { save } = this.operation;
      const keep = (url_) => this.urls[this.urls.push(url_) - 1];
      const answer = await showAnswer(this.box, response, { save, keep });
      if (response.ok && this.operation.opens) this.opened(answer);
    } catch {
      if (this.run !== run) return;
      const words = run.signal.aborted
        ? t("Stopped.")
        : t("The server could not be reached. Check the connection, then try again.");
      this.line.classList.toggle("bad", !run.signal.aborted);
      this.line.textContent = words;
    } finally {
      if (this.run === run) this.stop.hidden = true;
    }
  }

  opened(answer) {
    const { kind, opens } = this.operation;
    const files = this.files();
    const made = [answer]
      .flat()
      .map((each, i) => ({ ...each, file: files[i] }))
      .filter(({ status }) => status === "success");
    if (!made.length) return;
    if (opens === "batch") this.onOpened([{ kind, id: made[0].id, key: made[0].key }]);
    else {
      const told = ({ sessname, sesskey, file }) => ({ kind, task: sessname, key: sesskey, file });
      this.onOpened(made.map(told));
    }
    const words = t("Its name and key are filled in below.");
    this.box.append(el("p", { className: "quiet small" }, words));
  }

  /** The files that are chosen, in order. */
  files() {
    const fields = this.operation.values.filter(({ file }) => file);
    return fields.flatMap(({ name }) => [...this.form.elements.namedItem(name).files]);
  }

  release() {
    for (const url of this.urls.splice(0)) URL.revokeObjectURL(url);
  }
}
