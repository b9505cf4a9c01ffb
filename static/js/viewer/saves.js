// Ways to keep a result, and the quiet facts about how it came about.

import { el } from "../shared/dom.js";
import { number, t } from "../shared/i18n.js";
import { address } from "../shared/kinds.js";
import { detects } from "./answer.js";
import { csvFile, csvRows } from "./csv.js";

/** Let the reader keep `blob` as a file called `name`. */
export function save(blob, name) {
  const href = URL.createObjectURL(blob);
  el("a", { href, download: name }).click();
  // Some browsers read the address only after the click is over.
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

async function fetched(event, href, name) {
  event.preventDefault();
  try {
    const response = await fetch(href);
    if (!response.ok) throw new Error(response.statusText);
    save(await response.blob(), name);
  } catch {
    location.assign(href); // what the server has to say about it
  }
}

/** Buttons for the annotated picture, the data as JSON and CSV, and the photo itself. */
export function saves({ kind, answer, picture, task, key, name }) {
  const file = name || answer.filename || "photo";
  const stem = file.replace(/\.[^.]*$/, "") || "photo";
  const link = (href, download, words, title) => {
    const node = el("a", { className: "button", href, download, "aria-label": title, title }, words);
    // The server's own name for the file would win over this one.
    if (href.startsWith("/")) node.addEventListener("click", (event) => fetched(event, href, download));
    return node;
  };
  const button = (words, title, make, download) => {
    const node = el("button", { type: "button", className: "button", "aria-label": title, title }, words);
    node.addEventListener("click", () => save(make(), download));
    return node;
  };
  const json = () => new Blob([JSON.stringify(answer, null, 2)], { type: "application/json" });
  const csv = () => csvFile(csvRows({ kind, answer, name: file }));
  const drawn = detects(kind) && answer.result_image && task && address(kind, "output", { task, key });
  const nodes = [
    drawn && link(drawn, `${stem}-boxes.png`, "PNG", t("Annotated picture, PNG")),
    button("JSON", t("Data, JSON"), json, `${stem}.json`),
    answer.state !== "failure" && button("CSV", t("Table, CSV"), csv, `${stem}.csv`),
    picture && link(picture, file, t("Photo"), t("Photo as it was sent")),
  ];
  return el(
    "div",
    { className: "view-saves", role: "group", "aria-label": t("Download") },
    el("span", { className: "quiet small", "aria-hidden": "true" }, t("Download")),
    ...nodes.filter(Boolean),
  );
}

/** Model, engine, pixels, times, batch: what is known of them, in one line. */
export function facts(answer) {
  const { width, height } = answer.image ?? {};
  const { infer_ms: infer, waited_ms: waited } = answer.timing ?? {};
  const known = (value) => typeof value === "number" && Number.isFinite(value);
  const parts = [
    answer.model && t("model {name}", { name: answer.model }),
    answer.engine,
    width && height && t("{width} × {height} px", { width: number(width), height: number(height) }),
    known(infer) && t("{ms} ms in the model", { ms: number(infer) }),
    known(waited) && t("{ms} ms in the queue", { ms: number(waited, 0) }),
    answer.batch > 1 && t("batch of {n}", { n: number(answer.batch) }),
  ];
  const items = parts.filter(Boolean).map((part) => el("li", {}, String(part)));
  const label = t("How it was recognised");
  return el("ul", { className: "view-facts quiet small", "aria-label": label }, ...items);
}
