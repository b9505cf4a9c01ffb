// The API page: true addresses in the examples, forms to try them, one language for all of them.

import { offerCopies, offerLanguages } from "./docs/boxes.js";
import { Try } from "./docs/tries.js";

document.documentElement.classList.add("js");
offerLanguages();
offerCopies();

const tries = [...document.querySelectorAll(".operation")].map(
  (article) => new Try(article, opened),
);

/** Every form that takes a name and a key gets those of the newest photo of its kind, or batch. */
function fill({ kind, ...values }) {
  for (const each of tries) {
    if (!each.operation.kind || each.operation.kind === kind) each.fill(values);
  }
}

function opened(made) {
  const [{ kind, key, task, id }] = made;
  fill(task ? { kind, task, key } : { kind, id, key });
  for (const each of made) if (each.task) keep(each);
}

/** Photos sent from here stand in the history as all others do. */
async function keep({ kind, task, key, file }) {
  const { add, thumbOf, update } = await import("../shared/store.js");
  // At once: the page may be left before the small picture is made.
  await add({ kind, task, key, name: file.name, time: Date.now() });
  const thumb = await thumbOf(file);
  if (thumb) await update(task, { thumb });
}

async function fromHistory() {
  try {
    const { all } = await import("../shared/store.js");
    const entries = (await all()).filter(({ state }) => state !== "gone");
    // The newest photo of each kind, the newest of all last.
    const newest = new Map(entries.reverse().map((entry) => [entry.kind, entry]));
    const inOrder = [...newest.values()].sort((a, b) => a.time - b.time);
    for (const { kind, task, key } of inOrder) fill({ kind, task, key });
  } catch {
    // Without a history the forms begin empty.
  }
}

/** An address such as #post-objectdetection opens the form of that operation. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target?.closest(".operation")?.querySelector(".try");
  if (details) details.open = true;
}

function markWhereTheReaderIs() {
  const links = new Map(
    [...document.querySelectorAll(".side li a")].map((link) => [link.hash.slice(1), link]),
  );
  const mark = (id) => {
    for (const [name, link] of links) {
      if (name === id) {
        link.setAttribute("aria-current", "location");
        const side = link.closest(".side");
        const { offsetTop } = link;
        if (offsetTop < side.scrollTop || offsetTop > side.scrollTop + side.clientHeight - 40) {
          side.scrollTop = offsetTop - side.clientHeight / 2;
        }
      } else link.removeAttribute("aria-current");
    }
  };
  const watch = new IntersectionObserver(
    (entries) => {
      const seen = entries.filter((entry) => entry.isIntersecting);
      if (seen.length) mark(seen[0].target.id);
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const each of tries) watch.observe(each.article);
}

openTarget();
window.addEventListener("hashchange", openTarget);
markWhereTheReaderIs();
await fromHistory();
document.documentElement.dataset.ready = "";
