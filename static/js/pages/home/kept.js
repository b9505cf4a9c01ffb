// What a reload must not lose: the photos that the server has, and how many it has not.

const KEY = "scai-trays";
const PAUSE = 200; // ms

let timer = 0;
let latest = () => [];

/** Keep what `photos()` gives, soon, and at the latest when the page goes. */
export function keep(photos) {
  latest = photos;
  clearTimeout(timer);
  timer = setTimeout(write, PAUSE);
}

function write() {
  clearTimeout(timer);
  timer = 0;
  const all = latest();
  const sent = all
    .filter(({ task }) => task)
    .map(({ kind, task, key, name, time, options }) => ({ kind, task, key, name, time, options }));
  const unsent = all.filter(({ task, over }) => !task && !over).map(({ kind }) => kind);
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ sent, unsent }));
  } catch {
    // Without storage a reload begins anew.
  }
}

window.addEventListener("pagehide", () => {
  if (timer) write();
});

/** {sent: [fields of a Photo], unsent: [kind of each]} of this tab, from before it was loaded. */
export function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? { sent: [], unsent: [] };
  } catch {
    return { sent: [], unsent: [] };
  }
}
