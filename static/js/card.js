// One card: a form that sends a photo, follows its recognition and shows what came of it.

import { follow, upload } from "./api.js";
import { withQuery } from "./dom.js";
import { Picture } from "./picture.js";
import { Problem, showProblem } from "./problem.js";
import { Progress } from "./progress.js";
import { classification, colophon, detection, nothing, predictionsOf } from "./result.js";
import { text } from "./text.js";

export class Card {
  /** `limits` of the server: bytes, mb, megapixels, formats. */
  constructor(form, limits) {
    const card = form.closest(".card");
    this.form = form;
    this.limits = limits;
    this.problem = card.querySelector(".problem");
    this.result = card.querySelector(".result");
    this.progress = new Progress(card);
    this.run = null; // AbortController of the recognition on display
    this.picture = new Picture(card, () => this.chosen());
    form.noValidate = true; // a missing photo is said in our own words
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.recognise();
    });
  }

  chosen() {
    this.clear();
    const { file } = this.picture;
    this.progress.end(file ? "ready" : "empty");
    if (file && file.size > this.limits.bytes) this.fail(new Problem("image_too_large"));
  }

  /** Forget what is on display; a recognition under way goes on unseen. */
  clear() {
    this.run?.abort();
    this.run = null;
    this.problem.replaceChildren();
    this.result.replaceChildren();
  }

  async recognise() {
    this.clear();
    this.picture.reset();
    const run = (this.run = new AbortController());
    try {
      this.check();
      const answer = await this.ask(run.signal);
      if (!run.signal.aborted) this.show(answer);
    } catch (error) {
      if (run.signal.aborted) return;
      if (!(error instanceof Problem)) console.error(error);
      this.fail(error instanceof Problem ? error : new Problem("unknown"));
    }
  }

  check() {
    const { file } = this.picture;
    if (!file) throw new Problem("no_photo");
    if (file.size > this.limits.bytes) throw new Problem("image_too_large");
  }

  async ask(signal) {
    this.progress.end("ready");
    this.progress.at("uploading");
    const { sessname, sesskey } = await upload(this.form.action, new FormData(this.form), {
      signal,
      onProgress: (part) => this.progress.uploaded(part),
    });
    this.task = { task: sessname, key: sesskey };
    this.progress.at("waiting");
    return follow(withQuery(this.form.dataset.result, this.task), {
      signal,
      onState: (state) => this.progress.at(state === "processing" ? "recognising" : "waiting"),
      onTrouble: () => this.progress.say(text.reconnecting),
    });
  }

  show(answer) {
    const links = [
      [withQuery(this.form.dataset.result, this.task), "result.json", text.saveData],
    ];
    const detects = Boolean(this.form.dataset.output);
    if (detects && answer.result_image) {
      const output = withQuery(this.form.dataset.output, this.task);
      this.picture.show(output, text.annotated(answer.predictions?.length ?? 0));
      links.unshift([output, "output.png", text.savePicture]);
    }
    const [sentence, elements] = detects ? this.found(answer) : this.named(answer);
    this.progress.end("done", sentence);
    this.result.replaceChildren(...elements, ...colophon(answer, links));
  }

  named(answer) {
    const rows = predictionsOf(answer);
    if (rows.length === 0) return [text.foundNothing, nothing()];
    return [text.foundLabel(rows[0].label, rows[0].percent), classification(rows)];
  }

  found(answer) {
    const { predictions = [], image = this.picture.size } = answer;
    if (predictions.length === 0) return [text.foundNothing, nothing()];
    return [text.foundObjects(predictions.length), detection(predictions, image, this.picture)];
  }

  fail(problem) {
    this.progress.end("failed");
    showProblem(this.problem, problem, this.limits, () => this.recognise());
  }
}
