// Boxes of code: which language they show, and buttons to copy them.

import { find, findAll } from "../../shared/dom.js";

import { t } from "../../shared/i18n.js";

const STORAGE_KEY = "docs-language";
const COPIED_MS = 2000;

function lastLanguage() {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

/** @param {string} language */
function show(language) {
  for (const block of findAll("pre[data-code]")) {
    block.hidden = block.dataset.code !== language;
  }
  for (const button of findAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === language));
  }
}

/** Let the reader choose one language for all boxes; the browser remembers the last one. */
export function offerLanguages() {
  for (const choice of findAll(".code-choice")) choice.hidden = false;
  for (const button of findAll("[data-show]")) {
    const { show: language = "curl" } = button.dataset;
    button.addEventListener("click", () => {
      // The boxes above may shrink: the button stays under the finger.
      const before = button.getBoundingClientRect().top;
      show(language);
      window.scrollBy({ top: button.getBoundingClientRect().top - before, behavior: "instant" });
      try {
        localStorage.setItem(STORAGE_KEY, language);
      } catch {
        // The box changes all the same.
      }
    });
  }
  show(lastLanguage() === "python" ? "python" : "curl");
}

/** Show the buttons that copy, where the browser lets pages write to the clipboard. */
export function offerCopies() {
  if (!navigator.clipboard) return; // only there over https and on localhost
  for (const button of findAll(".code .copy")) {
    button.hidden = false;
    const words = button.textContent;
    button.addEventListener("click", async () => {
      const block = find("pre:not([hidden])", button.closest(".code") ?? document);
      try {
        await navigator.clipboard.writeText(block.textContent ?? "");
        button.textContent = t("Copied");
      } catch {
        getSelection()?.selectAllChildren(block);
        button.textContent = t("Selected");
      }
      setTimeout(() => (button.textContent = words), COPIED_MS);
    });
  }
}
