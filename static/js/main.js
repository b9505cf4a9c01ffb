// The page: two cards, the true address in the examples, buttons to copy them.

import { Card } from "./card.js";
import { text } from "./text.js";

const { maxBytes, maxMb, maxMegapixels, formats } = document.querySelector(".cards").dataset;
const limits = { bytes: Number(maxBytes), mb: maxMb, megapixels: maxMegapixels, formats };

document.documentElement.classList.add("js");
for (const form of document.querySelectorAll(".card form")) new Card(form, limits);

// A photo dropped beside a card must not replace the page.
for (const event of ["dragover", "drop"]) {
  window.addEventListener(event, (dropped) => dropped.preventDefault());
}

for (const origin of document.querySelectorAll("[data-origin]")) {
  origin.textContent = location.origin;
}

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = !navigator.clipboard; // only there over https and on localhost
  button.addEventListener("click", async () => {
    const words = button.textContent;
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = text.copied;
    setTimeout(() => (button.textContent = words), 2000);
  });
}
