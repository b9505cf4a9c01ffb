// What a reload of this tab must not lose: the photos that the server has, and how many it has not.

/** @import { Photo, PhotoFields } from "./photo.js" */

/** @typedef {{ sent: PhotoFields[], unsent: string[] }} TabState `unsent` has the kind of each */

const STORAGE_KEY = "scai-trays";
const DELAY = 200; // ms

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** @type {() => Photo[]} */
let latest = () => [];

/**
 * Store what `photos()` gives, soon, and at the latest when the page goes.
 *
 * @param {() => Photo[]} photos
 */
export function writeSoon(photos) {
  latest = photos;
  clearTimeout(timer);
  timer = setTimeout(write, DELAY);
}

function write() {
  clearTimeout(timer);
  timer = undefined;
  const all = latest();
  const sent = all
    .filter(({ task }) => task)
    .map(({ kind, task, key, name, time, options }) => ({ kind, task, key, name, time, options }));
  const unsent = all.filter(({ task, over }) => !task && !over).map(({ kind }) => kind);
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ sent, unsent }));
  } catch {
    // Without storage a reload begins with nothing.
  }
}

window.addEventListener("pagehide", () => {
  if (timer) write();
});

/**
 * Read what this tab stored before it was loaded.
 *
 * @returns {TabState}
 */
export function read() {
  const nothing = { sent: [], unsent: [] };
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "null") ?? nothing;
  } catch {
    return nothing;
  }
}
