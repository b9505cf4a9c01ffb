// One of two models that are compared: it gets the photo, and its result is shown.

/** @import { Answer } from "../../shared/api.js" */
/** @import { Limits } from "../../shared/problem.js" */

import { upload } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { follow } from "../../shared/follow.js";
import { number, t } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { asProblem, showProblem } from "../../shared/problem.js";
import { add, thumbOf, update, verdictOf } from "../../shared/store.js";
import { resultView } from "../../viewer/viewer.js";

export class Side {
  /**
   * @param {object} options
   * @param {string} options.kind
   * @param {string} options.model
   * @param {File} options.file
   * @param {string} options.picture address of the photo in this browser
   * @param {Limits} options.limits
   */
  constructor({ kind, model, file, picture, limits }) {
    this.kind = kind;
    this.model = model;
    this.file = file;
    this.picture = picture;
    this.limits = limits;
    /** @type {Answer | null} */
    this.answer = null;
    this.asking = true;
    this.milliseconds = 0; // from the upload to the result
    this.access = { task: "", key: "" };
    this.onEnd = () => {};
    this.state = el("p", { className: "quiet small" });
    this.fill = el("span");
    this.track = el("span", { className: "track", "aria-hidden": "true" }, this.fill);
    this.problem = el("div", { className: "problem", role: "alert" });
    this.body = el("div", {});
    this.element = el(
      "section",
      { className: "side", "aria-label": model },
      el("header", {}, el("h3", {}, el("bdi", {}, model)), this.state),
      this.track,
      this.problem,
      this.body,
    );
  }

  /**
   * Send the photo and show the result; `answer` holds it, or stays null.
   *
   * @param {AbortSignal} signal
   */
  async ask(signal) {
    this.asking = true;
    this.problem.replaceChildren();
    this.track.hidden = false;
    try {
      this.answer = await this.recognise(signal);
      this.show(this.answer);
    } catch (error) {
      if (signal.aborted) return;
      this.track.hidden = true;
      this.say("");
      showProblem(this.problem, asProblem(error), this.limits, () => this.ask(signal));
    }
    this.asking = false;
    this.onEnd();
  }

  /** @param {AbortSignal} signal */
  async recognise(signal) {
    const { kind, model, file } = this;
    const form = new FormData();
    form.set("model", model);
    form.set("photo", file, file.name);
    this.showStep(t("Uploading"), 0);
    const start = performance.now();
    const onPart = (/** @type {number} */ part) => this.showStep(t("Uploading"), part / 2);
    const { sessname: task, sesskey: key } = await upload(KINDS[kind].upload, form, { signal, onPart });
    this.access = { task, key };
    const thumb = thumbOf(file);
    add({ kind, task, key, name: file.name, time: Date.now(), model }).then(async () =>
      update(task, { thumb: await thumb }),
    );
    this.showStep(t("Waiting in the queue"), 0.5);
    const answer = await follow(
      { kind, task, key },
      {
        signal,
        onState: (state) =>
          state === "processing"
            ? this.showStep(t("Recognising"), 0.75)
            : this.showStep(t("Waiting in the queue"), 0.5),
        onTrouble: () => this.say(t("Connection lost, retrying")),
      },
    );
    this.milliseconds = performance.now() - start;
    update(task, verdictOf(answer));
    return answer;
  }

  /** @param {Answer} answer */
  show(answer) {
    const { infer_ms: infer } = answer.timing ?? {};
    const times = [t("{n} ms in total", { n: number(this.milliseconds, 0) })];
    if (infer !== undefined) times.push(t("{n} ms in the model", { n: number(infer) }));
    this.track.hidden = true;
    this.say(times.join(" · "));
    const { kind, picture, access, file } = this;
    this.body.replaceChildren(resultView({ kind, answer, picture, ...access, name: file.name }));
  }

  /**
   * @param {string} words
   * @param {number} part of the way, 0..1
   */
  showStep(words, part) {
    this.say(words);
    this.fill.style.width = `${100 * part}%`;
  }

  /** @param {string} words */
  say(words) {
    this.state.textContent = words;
  }
}
