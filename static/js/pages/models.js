// The page of the models: plots that open large, commands to copy, two models side by side.

import { find, findAll } from "../shared/dom.js";
import { t } from "../shared/i18n.js";
import { Plots } from "./models/plots.js";

const dialog = find(".plot-dialog", document, HTMLDialogElement);
for (const list of findAll(".plots")) new Plots(list, dialog);

const panel = document.getElementById("compare");
if (panel) {
  // The viewer is large, and most visitors only read.
  const compare = import("./models/compare.js").then(({ Compare }) => new Compare(panel));
  for (const link of findAll("a.try")) {
    const { kind = "", model = "" } = link.dataset;
    link.addEventListener("click", async () => (await compare).begin({ kind, model }));
  }
}

for (const button of findAll(".copy")) {
  button.hidden = !navigator.clipboard; // only there over https and on localhost
  button.addEventListener("click", async () => {
    const words = button.textContent;
    const code = button.parentElement?.querySelector("code");
    await navigator.clipboard.writeText(code?.textContent ?? "");
    button.textContent = t("Copied");
    setTimeout(() => (button.textContent = words), 2000);
  });
}
