// The API page: real addresses in the examples, forms to try them, one language for all of them.

/** @import { Made } from "./docs/try.js" */

import { findAll } from "../shared/dom.js";
import { offerCopies, offerLanguages } from "./docs/code_boxes.js";
import { Try } from "./docs/try.js";

document.documentElement.classList.add("js");
offerLanguages();
offerCopies();

const tries = findAll(".operation").map((article) => new Try(article, onMade));

/**
 * Fill the name and key of a photo or batch into every form of its kind that takes them.
 *
 * @param {string} kind
 * @param {Record<string, string>} values
 */
function fill(kind, values) {
  for (const each of tries) {
    if (!each.operation.kind || each.operation.kind === kind) each.fill(values);
  }
}

/** @param {Made[]} made */
function onMade(made) {
  const [{ kind, key, task, id = "" }] = made;
  fill(kind, task ? { task, key } : { id, key });
  for (const each of made) save(each);
}

/**
 * Add a photo that was sent from here to the history.
 *
 * @param {Made} photo
 */
async function save({ kind, task, key, file }) {
  if (!task || !file) return;
  const { add, thumbOf, update } = await import("../shared/store.js");
  // At once: the page may be left before the thumbnail is made.
  await add({ kind, task, key, name: file.name, time: Date.now() });
  const thumb = await thumbOf(file);
  if (thumb) await update(task, { thumb });
}

async function fillFromHistory() {
  try {
    const { all } = await import("../shared/store.js");
    const entries = (await all()).filter(({ gone, state }) => !gone && state !== "gone");
    // The newest photo of each kind, the newest of all last.
    const newest = new Map(entries.reverse().map((entry) => [entry.kind, entry]));
    const inOrder = [...newest.values()].sort((a, b) => a.time - b.time);
    for (const { kind, task, key } of inOrder) fill(kind, { task, key });
  } catch {
    // Without a history the forms begin empty.
  }
}

/** Open the form that the page's address names, by its id. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target?.closest(".operation")?.querySelector("details.try");
  if (details) details.setAttribute("open", "");
}

function markWhereTheReaderIs() {
  const links = findAll(".side li a", document, HTMLAnchorElement);
  const mark = (/** @type {string} */ id) => {
    for (const link of links) {
      if (link.hash !== `#${id}`) link.removeAttribute("aria-current");
      else {
        link.setAttribute("aria-current", "location");
        scrollInto(link);
      }
    }
  };
  const watch = new IntersectionObserver(
    (entries) => {
      const [first] = entries.filter((entry) => entry.isIntersecting);
      if (first) mark(first.target.id);
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const each of tries) watch.observe(each.article);
}

/**
 * Scroll the side, and never the page, so that `link` is visible.
 *
 * @param {HTMLElement} link
 */
function scrollInto(link) {
  const side = link.closest(".side");
  const { offsetTop } = link;
  if (!side) return;
  if (offsetTop < side.scrollTop || offsetTop > side.scrollTop + side.clientHeight - 40) {
    side.scrollTop = offsetTop - side.clientHeight / 2;
  }
}

openTarget();
window.addEventListener("hashchange", openTarget);
markWhereTheReaderIs();
await fillFromHistory();
document.documentElement.dataset.ready = "";
