// How far a recognition is: three bars (upload, queue, recognition), a sentence and a clock.

/** @import { Limits } from "../../shared/problem.js" */
/** @import { Photo } from "./photo.js" */

import { el, setText } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

/** @type {Record<string, number>} */
const STEP = { queued: 0, held: 0, offline: 0, uploading: 0, waiting: 1, recognising: 2 };

export class Steps {
  constructor() {
    this.fill = el("span");
    const [upload, queue, run] = [0, 1, 2].map((i) =>
      el("span", { className: "step", "data-step": i ? "next" : "now" }, i ? el("span") : this.fill),
    );
    upload.setAttribute("role", "progressbar");
    upload.setAttribute("aria-label", t("Upload"));
    upload.setAttribute("aria-valuemin", "0");
    upload.setAttribute("aria-valuemax", "100");
    for (const bar of [queue, run]) bar.setAttribute("aria-hidden", "true");
    this.bars = [upload, queue, run];
    this.sentence = el("span", { className: "steps-line" });
    this.clock = el("span", { className: "steps-clock", "aria-hidden": "true" });
    this.box = el(
      "div",
      { className: "progress" },
      el("div", { className: "steps" }, ...this.bars),
      el("p", { className: "steps-words" }, this.sentence, this.clock),
    );
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
  }

  /**
   * Show how far `photo` is.
   *
   * @param {Photo} photo
   * @param {Limits} limits
   */
  show(photo, limits) {
    const current = STEP[photo.state] ?? 0;
    this.bars.forEach((bar, i) => {
      bar.dataset.step = i < current ? "past" : i === current ? "now" : "next";
    });
    const percent = current > 0 ? 100 : Math.round(100 * photo.part);
    this.bars[0].setAttribute("aria-valuenow", String(percent));
    this.fill.style.width = `${percent}%`;
    setText(this.sentence, photo.line(limits));
    if (current > 0 && !this.timer) this.startClock();
  }

  startClock() {
    const start = performance.now();
    this.timer = setInterval(() => {
      if (!this.box.isConnected) {
        this.end();
        return;
      }
      const seconds = Math.floor((performance.now() - start) / 1000);
      this.clock.textContent = seconds > 0 ? t("{n} s", { n: seconds }) : "";
    }, 1000);
  }

  end() {
    clearInterval(this.timer);
  }
}
