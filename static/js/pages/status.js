// The status page: what the server has rendered is kept up to date, minute by minute readable.

import { lang, t } from "../shared/i18n.js";
import { keepFresh } from "./status/live.js";
import { morph } from "./status/morph.js";
import { Plots } from "./status/plots.js";

const figures = document.getElementById("figures");
const asOf = document.getElementById("as-of");
const away = document.getElementById("away");
const pause = document.getElementById("pause");
const root = document.documentElement;
const plots = new Map();

/** Give every chart that is new its cursor, and show the time of the figures. */
function dress() {
  const shown = new Set(figures.querySelectorAll(".plots"));
  for (const node of plots.keys()) if (!shown.has(node)) plots.delete(node);
  for (const node of shown) {
    if (!plots.has(node)) plots.set(node, new Plots(node));
    plots.get(node).say();
  }
  const moment = new Date(1000 * Number(figures.dataset.time));
  asOf.dateTime = moment.toISOString();
  asOf.textContent = moment.toLocaleTimeString(lang);
}

const live = keepFresh(location.href.split("#")[0], {
  onFresh(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const figuresNow = fresh.getElementById("figures");
    if (figuresNow === null) return false;
    morph(figures, figuresNow);
    document.title = fresh.title;
    away.textContent = "";
    root.dataset.live = root.dataset.live === "fresh" ? "on" : "fresh";
    dress();
    return true;
  },
  onAway() {
    if (root.dataset.live === "away") return;
    root.dataset.live = "away";
    away.textContent = t("The server does not answer. These are its last figures; this page goes on by itself.");
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
