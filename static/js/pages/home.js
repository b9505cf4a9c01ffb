// The home page: its cards, what a reload left behind, and what belongs to no card alone.

import { find, findAll } from "../shared/dom.js";
import { Card } from "./home/card.js";
import { read } from "./home/tab_state.js";

const { maxBytes, maxMb, maxMegapixels, formats } = find(".cards").dataset;
const limits = { bytes: Number(maxBytes), mb: maxMb, megapixels: maxMegapixels, formats };

const before = read();
/** @type {Card[]} */
const cards = [];
const allPhotos = () => cards.flatMap(({ photos }) => photos);
for (const section of findAll(".card")) cards.push(new Card(section, limits, allPhotos));
document.documentElement.classList.add("js");

for (const card of cards) {
  const sent = before.sent.filter(({ kind }) => kind === card.kind);
  const unsent = before.unsent.filter((kind) => kind === card.kind).length;
  if (sent.length > 0 || unsent > 0) card.restore(sent, unsent);
}

// A photo that is pasted goes to the card in use.
let latest = cards[0];
for (const card of cards) {
  for (const event of ["pointerdown", "focusin", "drop"]) {
    card.section.addEventListener(event, () => (latest = card));
  }
}
window.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length === 0) return;
  event.preventDefault();
  latest.take(files, { now: true });
  latest.section.scrollIntoView({ block: "nearest" });
});

// A photo dropped beside a card must not replace the page.
window.addEventListener("dragover", (event) => event.preventDefault());
window.addEventListener("drop", (event) => event.preventDefault());

for (const origin of findAll("[data-origin]")) origin.textContent = location.origin;
