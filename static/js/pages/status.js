// The status page: what the server has rendered is updated in place, readable minute by minute.

import { find, findAll } from "../shared/dom.js";
import { lang, t } from "../shared/i18n.js";
import { morph } from "./status/morph.js";
import { Plots } from "./status/plots.js";
import { keepFresh } from "./status/refresh.js";

const figures = find("#figures");
const asOf = find("#as-of", document, HTMLTimeElement);
const away = find("#away");
const pause = find("#pause");
const root = document.documentElement;
/** @type {Map<HTMLElement, Plots>} */
const plots = new Map();

/** Give every chart that is new its cursor, and show the time of the figures. */
function dress() {
  const nodes = new Set(findAll(".plots", figures));
  for (const node of plots.keys()) if (!nodes.has(node)) plots.delete(node);
  for (const node of nodes) {
    const chart = plots.get(node) ?? new Plots(node);
    plots.set(node, chart);
    chart.showSentence();
  }
  const moment = new Date(1000 * Number(figures.dataset.time));
  asOf.dateTime = moment.toISOString();
  asOf.textContent = moment.toLocaleTimeString(lang);
}

const live = keepFresh(location.href.split("#")[0], {
  onFresh(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const fresh = page.getElementById("figures");
    if (fresh === null) return false;
    morph(figures, fresh);
    document.title = page.title;
    away.textContent = "";
    root.dataset.live = root.dataset.live === "fresh" ? "on" : "fresh";
    dress();
    return true;
  },
  onAway() {
    if (root.dataset.live === "away") return;
    root.dataset.live = "away";
    away.textContent = t("The server does not respond. These are its last figures; this page continues automatically.");
  },
});

pause.hidden = false;
pause.addEventListener("click", () => {
  const paused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", String(paused));
  live.pause(paused);
  if (paused) {
    root.dataset.live = "paused";
    away.textContent = "";
  }
});

root.classList.add("js");
dress();
