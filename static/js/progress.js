// How far a recognition is: three bars (upload, queue, recognition), a sentence and a clock.

import { text } from "./text.js";

const STEPS = ["uploading", "waiting", "recognising"];

export class Progress {
  constructor(card) {
    this.card = card;
    this.box = card.querySelector(".progress");
    this.steps = [...card.querySelectorAll(".step")];
    this.sentence = card.querySelector(".status-text");
    this.number = card.querySelector(".status-number");
    this.clock = null;
  }

  /** Show step `name` of STEPS as the current one. */
  at(name) {
    const current = STEPS.indexOf(name);
    this.box.hidden = false;
    this.card.dataset.state = name;
    this.steps.forEach((step, i) => {
      step.dataset.step = i < current ? "past" : i === current ? "now" : "next";
    });
    if (current > 0) {
      this.uploaded(1);
      this.startClock();
    }
    this.say(text[name]);
    if (current === 0) this.sentence.scrollIntoView({ block: "nearest" });
  }

  /** `part` of the photo, 0 to 1, is at the server. */
  uploaded(part) {
    const percent = Math.round(100 * part);
    this.steps[0].setAttribute("aria-valuenow", String(percent));
    this.steps[0].firstElementChild.style.width = `${percent}%`;
    if (!this.clock) this.number.textContent = `${percent}%`;
  }

  /** Say `sentence` beside the bars without moving them. */
  say(sentence) {
    if (this.sentence.textContent !== sentence) this.sentence.textContent = sentence;
  }

  /** Take the bars away and leave `sentence`, with `state` as the state of the card. */
  end(state, sentence = "") {
    clearInterval(this.clock);
    this.clock = null;
    this.box.hidden = true;
    this.number.textContent = "";
    this.card.dataset.state = state;
    this.say(sentence);
  }

  startClock() {
    if (this.clock) return;
    const start = performance.now();
    const tick = () => {
      const seconds = Math.floor((performance.now() - start) / 1000);
      this.number.textContent = seconds > 0 ? text.seconds(seconds) : "";
    };
    tick();
    this.clock = setInterval(tick, 1000);
  }
}
