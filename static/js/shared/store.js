// What this browser submitted: names and keys, kept here and nowhere else.
//
// An entry: kind, task, key, name (of the file), time (ms since 1970), thumb (Blob or null), state
// (the server's), model, labels ([{label, score, count}]), error (after a failure, the server's
// sentence), gone (true once the server is known to have the photo no more).
// Nothing here throws: without a database, as in some private windows, entries last as long as the
// page.

import { note, noted, strike } from "./journal.js";

export { thumbFirst, thumbOf } from "./thumb.js";

const MOST = 2000; // entries; the oldest make room
const MOST_LABELS = 20; // of one entry
const LARGEST_THUMB = 65536; // bytes
const MADE_ROOM = 100; // thumbnails that go at once when the disk is full

const BLANK = { thumb: null, state: "initialization", model: "", labels: [], error: "", gone: false };
const memory = new Map();
const listeners = new Set();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("scai-photos") : null;
if (channel) channel.onmessage = ({ data }) => tell(data);

let opening = null;

function tell(change) {
  for (const listener of listeners) {
    try {
      listener(change);
    } catch (error) {
      reportError(error); // a listener's mistake is not ours
    }
  }
}

function announce(change) {
  tell(change);
  channel?.postMessage(change);
}

/**
 * Call `listener({what, task})` after each change, in this tab or another; `what` is "add",
 * "update", "remove" or "clear" (no task). Returns a function that ends it.
 */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let writes = Promise.resolve();

/** Write after what was begun before: an entry may change before its small picture is read. */
function inTurn(work) {
  writes = writes.then(work).catch(() => {});
  return writes;
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("scai", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("photos", { keyPath: "task" }).createIndex("time", "time");
    };
    request.onerror = () => {
      opening = null;
      reject(request.error);
    };
    request.onsuccess = () => {
      const db = request.result;
      db.onclose = () => (opening = null);
      db.onversionchange = () => {
        opening = null;
        db.close();
      };
      resolve(db);
    };
  });
  return opening;
}

async function begun(mode) {
  try {
    return (await database()).transaction("photos", mode);
  } catch {
    opening = null; // the browser may have closed it
    return (await database()).transaction("photos", mode);
  }
}

// One transaction: `work(photos)` makes its requests at once or after other requests of it. What
// it wrote is on the disk when this resolves, so two tabs never overwrite each other's entries.
async function within(mode, work) {
  const transaction = await begun(mode);
  const over = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
  const [value] = await Promise.all([work(transaction.objectStore("photos")), over]);
  return value;
}

async function tried(mode, work, otherwise) {
  try {
    return await within(mode, work);
  } catch {
    return otherwise;
  }
}

// Bytes, for some browsers keep no Blob in a private window's database.
async function packed(thumb) {
  try {
    if (!(thumb instanceof Blob) || thumb.size > LARGEST_THUMB) return null;
    return { type: thumb.type, bytes: await thumb.arrayBuffer() };
  } catch {
    return null;
  }
}

function unpacked(record) {
  const { thumb } = record;
  return { ...record, thumb: thumb && new Blob([thumb.bytes], { type: thumb.type }) };
}

const short = (changes) =>
  changes.labels ? { ...changes, labels: changes.labels.slice(0, MOST_LABELS) } : changes;

async function trim(photos) {
  const surplus = (await settled(photos.count())) - MOST;
  if (surplus <= 0) return;
  const oldest = await settled(photos.index("time").getAllKeys(null, surplus));
  for (const task of oldest) photos.delete(task);
}

function dropOldThumbs() {
  return within("readwrite", async (photos) => {
    let left = MADE_ROOM;
    const cursor = photos.index("time").openCursor();
    await new Promise((resolve, reject) => {
      cursor.onerror = () => reject(cursor.error);
      cursor.onsuccess = () => {
        const at = cursor.result;
        if (!at || left === 0) {
          resolve();
          return;
        }
        if (at.value.thumb) {
          left -= 1;
          at.update({ ...at.value, thumb: null });
        }
        at.continue();
      };
    });
  });
}

async function put(record) {
  const write = (entry) =>
    within("readwrite", async (photos) => {
      const before = await settled(photos.get(entry.task));
      const kept = { ...entry, ...before, key: entry.key, thumb: before?.thumb ?? entry.thumb };
      await settled(photos.put(kept));
      await trim(photos);
    });
  try {
    await write(record);
  } catch {
    // Most likely the disk is full. Names and keys matter more than small pictures.
    await dropOldThumbs();
    await write({ ...record, thumb: null });
  }
}

async function keep(record) {
  const { task } = record;
  try {
    await put(record);
  } catch {
    if (!memory.has(task)) memory.set(task, record);
  }
  strike(task);
  announce({ what: "add", task });
}

/**
 * Keep one photo that was submitted; what is known of that task already stays as it is. It is kept
 * even if the page is left before this resolves.
 */
export function add({ kind, task, key, name = "", time = Date.now(), ...more }) {
  const record = { ...BLANK, ...short(more), kind, task, key, name, time };
  note(record);
  return inTurn(async () => keep({ ...record, thumb: await packed(more.thumb) }));
}

// What a page before this one noted, and was left too soon to keep.
const arrears = Promise.all(noted().map((record) => inTurn(() => keep(record))));

/** Change fields of an entry, if it is there. */
export function update(task, changes) {
  return inTurn(async () => {
    const news = { ...short(changes) };
    if ("thumb" in news) news.thumb = await packed(news.thumb);
    if (memory.has(task)) memory.set(task, { ...memory.get(task), ...news });
    await tried("readwrite", async (photos) => {
      const before = await settled(photos.get(task));
      if (before) await settled(photos.put({ ...before, ...news, task }));
    });
    announce({ what: "update", task });
  });
}

/** Forget one photo here; the server is not told. */
export function remove(task) {
  strike(task);
  return inTurn(async () => {
    memory.delete(task);
    await tried("readwrite", (photos) => settled(photos.delete(task)));
    announce({ what: "remove", task });
  });
}

/** The entry of a task, or null. */
export async function get(task) {
  await arrears;
  const record = await tried("readonly", (photos) => settled(photos.get(task)), null);
  const found = record ?? memory.get(task);
  return found ? unpacked(found) : null;
}

/** Every entry, newest first. */
export async function all() {
  await arrears;
  const records = await tried("readonly", (photos) => settled(photos.getAll()), []);
  const known = new Set(records.map(({ task }) => task));
  const found = [...records, ...[...memory.values()].filter(({ task }) => !known.has(task))];
  found.sort((a, b) => b.time - a.time || (a.task < b.task ? 1 : -1));
  return found.map(unpacked);
}

/** Forget everything here; the server is not told. */
export function clear() {
  for (const { task } of noted()) strike(task);
  return inTurn(async () => {
    memory.clear();
    await tried("readwrite", (photos) => settled(photos.clear()));
    announce({ what: "clear" });
  });
}

/** What `update` should keep of the server's answer to a task: state, model, labels. */
export function verdictOf(answer) {
  const found = new Map();
  for (const { label, score } of answer.predictions ?? []) {
    const same = found.get(label);
    if (same) same.count += 1;
    else found.set(label, { label, score, count: 1 });
  }
  return {
    state: String(answer.state ?? ""),
    model: String(answer.model ?? ""),
    labels: [...found.values()].slice(0, MOST_LABELS),
    error: String(answer.error ?? ""),
  };
}
