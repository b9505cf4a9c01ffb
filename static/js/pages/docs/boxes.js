// Boxes of code: which language they show, and buttons to copy them.

import { t } from "../../shared/i18n.js";

const KEPT = "docs-language";
const COPIED_MS = 2000;

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function show(language) {
  for (const block of document.querySelectorAll("pre[data-code]")) {
    block.hidden = block.dataset.code !== language;
  }
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === language));
  }
}

/** Let the reader choose one language for all boxes; what was chosen last is kept. */
export function offerLanguages() {
  for (const choice of document.querySelectorAll(".code-choice")) choice.hidden = false;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      // What stands above may shrink: the button stays under the finger.
      const before = button.getBoundingClientRect().top;
      show(button.dataset.show);
      window.scrollBy({ top: button.getBoundingClientRect().top - before, behavior: "instant" });
      try {
        localStorage.setItem(KEPT, button.dataset.show);
      } catch {
        // It is shown all the same.
      }
    });
  }
  show(kept() === "python" ? "python" : "curl");
}

/** Show the buttons that copy, where the browser lets pages write to the clipboard. */
export function offerCopies() {
  if (!navigator.clipboard) return; // only there over https and on localhost
  for (const button of document.querySelectorAll(".code .copy")) {
    button.hidden = false;
    const words = button.textContent;
    button.addEventListener("click", async () => {
      const box = button.closest(".code");
      const block = [...box.querySelectorAll("pre")].find((pre) => !pre.hidden);
      try {
        await navigator.clipboard.writeText(block.textContent);
        button.textContent = t("Copied");
      } catch {
        getSelection().selectAllChildren(block);
        button.textContent = t("Selected");
      }
      setTimeout(() => (button.textContent = words), COPIED_MS);
    });
  }
}
