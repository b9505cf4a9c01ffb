// The page of the models: plots that open large, commands to copy, two models side by side.

import { Plots } from "./models/plots.js";
import { t } from "../shared/i18n.js";

const dialog = document.querySelector(".plot-dialog");
for (const list of document.querySelectorAll(".plots")) new Plots(list, dialog);

const panel = document.querySelector("#compare");
if (panel) {
  // What shows results is large, and most visitors only read.
  const compare = import("./models/compare.js").then(({ Compare }) => new Compare(panel));
  for (const link of document.querySelectorAll("a.try")) {
    link.addEventListener("click", async () => (await compare).begin(link.dataset));
  }
}

for (const button of document.querySelectorAll(".copy")) {
  button.hidden = !navigator.clipboard; // only there over https and on localhost
  button.addEventListener("click", async () => {
    const words = button.textContent;
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = t("Copied");
    setTimeout(() => (button.textContent = words), 2000);
  });
}
