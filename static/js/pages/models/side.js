// One of two models that are compared: it gets the photo, and its answer is shown.

import { upload } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { follow } from "../../shared/follow.js";
import { number, t } from "../../shared/i18n.js";
import { KINDS } from "../../shared/kinds.js";
import { showProblem } from "../../shared/problem.js";
import { add, thumbOf, update, verdictOf } from "../../shared/store.js";
import { resultView } from "../../viewer/viewer.js";

export class Side {
  /** `picture` is an address of the photo in this browser. */
  constructor({ kind, model, file, picture, limits }) {
    Object.assign(this, { kind, model, file, picture, limits, answer: null, asking: true });
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

  /** Send the photo and show what comes of it; `answer` holds it, or stays null. */
  async ask(signal) {
    this.asking = true;
    this.problem.replaceChildren();
    this.track.hidden = false;
    try {
      this.answer = await this.recognise(signal);
      this.show();
    } catch (problem) {
      if (signal.aborted) return;
      this.track.hidden = true;
      this.say("");
      showProblem(this.problem, problem, this.limits, () => this.ask(signal));
    }
    this.asking = false;
    this.onEnd();
  }

  async recognise(signal) {
    const form = new FormData();
    form.set("model", this.model);
    form.set("photo", this.file, this.file.name);
    this.at(t("Uploading"), 0);
    const start = performance.now();
    const taken = await upload(KINDS[this.kind].upload, form, {
      signal,
      onProgress: (part) => this.at(t("Uploading"), part / 2),
    });
    const place = { kind: this.kind, task: taken.sessname, key: taken.sesskey };
    this.place = place;
    const thumb = thumbOf(this.file);
    add({ ...place, name: this.file.name, time: Date.now(), model: this.model }).then(async () =>
      update(place.task, { thumb: await thumb }),
    );
    this.at(t("Waiting in the queue"), 0.5);
    const answer = await follow(place, {
      signal,
      onState: (state) =>
        state === "processing"
          ? this.at(t("Recognising"), 0.75)
          : this.at(t("Waiting in the queue"), 0.5),
      onTrouble: () => this.say(t("Connection lost, retrying")),
    });
    this.took = performance.now() - start;
    update(place.task, verdictOf(answer));
    return answer;
  }

  show() {
    const { infer_ms: infer } = this.answer.timing ?? {};
    const times = [t("{n} ms in all", { n: number(this.took, 0) })];
    if (Number.isFinite(infer)) times.push(t("{n} ms in the model", { n: number(infer) }));
    this.track.hidden = true;
    this.say(times.join(" · "));
    const { kind, answer, picture, place, file } = this;
    this.body.replaceChildren(
      resultView({ kind, answer, picture, task: place.task, key: place.key, name: file.name }),
    );
  }

  at(words, part) {
    this.say(words);
    this.fill.style.width = `${100 * part}%`;
  }

  say(words) {
    this.state.textContent = words;
  }
}
