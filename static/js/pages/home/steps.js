// How far a recognition is: three bars (upload, queue, recognition), a sentence and a clock.

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

const STEP = { queued: 0, held: 0, offline: 0, uploading: 0, waiting: 1, recognising: 2 };

export class Steps {
  constructor() {
    this.bars = [0, 1, 2].map((i) =>
      el("span", { className: "step", "data-step": i ? "next" : "now" }, el("span")),
    );
    const [upload] = this.bars;
    upload.setAttribute("role", "progressbar");
    upload.setAttribute("aria-label", t("Upload"));
    upload.setAttribute("aria-valuemin", "0");
    upload.setAttribute("aria-valuemax", "100");
    for (const bar of this.bars.slice(1)) bar.setAttribute("aria-hidden", "true");
    this.sentence = el("span", { className: "steps-line" });
    this.clock = el("span", { className: "steps-clock", "aria-hidden": "true" });
    this.box = el(
      "div",
      { className: "progress" },
      el("div", { className: "steps" }, ...this.bars),
      el("p", { className: "steps-words" }, this.sentence, this.clock),
    );
    this.timer = 0;
  }

  at(photo, limits) {
    const current = STEP[photo.state] ?? 0;
    this.bars.forEach((bar, i) => {
      bar.dataset.step = i < current ? "past" : i === current ? "now" : "next";
    });
    const percent = current > 0 ? 100 : Math.round(100 * photo.part);
    this.bars[0].setAttribute("aria-valuenow", String(percent));
    this.bars[0].firstElementChild.style.width = `${percent}%`;
    const line = photo.line(limits);
    if (this.sentence.textContent !== line) this.sentence.textContent = line;
    if (current > 0 && !this.timer) this.start();
  }

  start() {
    const start = performance.now();
    this.timer = setInterval(() => {
      if (!this.box.isConnected) return this.end();
      const passed = Math.floor((performance.now() - start) / 1000);
      this.clock.textContent = passed > 0 ? t("{n} s", { n: passed }) : "";
    }, 1000);
  }

  end() {
    clearInterval(this.timer);
  }
}
