// The photos that this browser submitted: names and keys, stored here and nowhere else.
//
// Nothing here throws: without a database, as in some private windows, entries last as long as the
// page.

/** @import { Answer } from "./api.js" */

import { answerOf, dropOldThumbs, transact, trim } from "./database.js";
import { note, notes, strike } from "./journal.js";

export { thumbFirst, thumbOf } from "./thumb.js";

/**
 * A photo in this browser's list. `name` is that of its file, `time` in ms since 1970, `state` the
 * server's; `error` is the server's sentence after a failure, and `gone` is true once the server
 * has deleted the photo.
 *
 * @typedef {object} Facts
 * @property {string} kind
 * @property {string} task
 * @property {string} key
 * @property {string} name
 * @property {number} time
 * @property {string} state
 * @property {string} model
 * @property {{ label: string, score: number, count: number }[]} labels
 * @property {string} error
 * @property {boolean} gone
 *
 * @typedef {Facts & { thumb: Blob | null }} Entry
 * @typedef {Facts & { thumb: { type: string, bytes: ArrayBuffer } | null }} Row as the database has it
 * @typedef {{ what: "add" | "update" | "remove" | "clear", task?: string }} Change
 */

const MAX_ENTRIES = 2000; // the oldest make room
const MAX_LABELS = 20; // of one entry
const MAX_THUMB = 65536; // bytes
const THUMBS_DROPPED = 100; // at once when the disk is full

/** @type {Pick<Entry, "thumb" | "state" | "model" | "labels" | "error" | "gone">} */
const BLANK = { thumb: null, state: "initialization", model: "", labels: [], error: "", gone: false };
/** @type {Map<string, Row>} */
const memory = new Map();
/** @type {Set<(change: Change) => void>} */
const listeners = new Set();
const channel = "BroadcastChannel" in window ? new BroadcastChannel("scai-photos") : null;
if (channel) channel.onmessage = ({ data }) => notify(data);

/** @param {Change} change */
function notify(change) {
  for (const listener of listeners) {
    try {
      listener(change);
    } catch (error) {
      reportError(error); // a listener's mistake is not ours
    }
  }
}

/** @param {Change} change */
function announce(change) {
  notify(change);
  channel?.postMessage(change);
}

/**
 * Call `listener` after each change, in this tab or another. Returns a function that ends it.
 *
 * @param {(change: Change) => void} listener
 */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @type {Promise<unknown>} */
let writes = Promise.resolve();

/**
 * Write in the order of the calls: an entry may change before its thumbnail is read.
 *
 * @param {() => Promise<void>} work
 * @returns {Promise<unknown>}
 */
function inTurn(work) {
  writes = writes.then(work).catch(() => {});
  return writes;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(photos: IDBObjectStore) => Promise<T>} work
 * @param {T} otherwise what to answer without a database
 */
async function attempt(mode, work, otherwise) {
  try {
    return await transact(mode, work);
  } catch {
    return otherwise;
  }
}

/**
 * Turn a thumbnail into bytes, for some browsers store no Blob in a private window's database.
 *
 * @param {Blob | null | undefined} thumb
 * @returns {Promise<Row["thumb"]>}
 */
async function pack(thumb) {
  try {
    if (!(thumb instanceof Blob) || thumb.size > MAX_THUMB) return null;
    return { type: thumb.type, bytes: await thumb.arrayBuffer() };
  } catch {
    return null;
  }
}

/**
 * @param {Row} row
 * @returns {Entry}
 */
function unpack(row) {
  const { thumb } = row;
  return { ...row, thumb: thumb && new Blob([thumb.bytes], { type: thumb.type }) };
}

/**
 * @template {Partial<Entry>} T
 * @param {T} changes
 * @returns {T}
 */
const shorten = (changes) =>
  changes.labels ? { ...changes, labels: changes.labels.slice(0, MAX_LABELS) } : changes;

/** @param {Row} row */
async function put(row) {
  const write = (/** @type {Row} */ entry) =>
    transact("readwrite", async (photos) => {
      const before = await answerOf(photos.get(entry.task));
      const merged = { ...entry, ...before, key: entry.key, thumb: before?.thumb ?? entry.thumb };
      await answerOf(photos.put(merged));
      await trim(photos, MAX_ENTRIES);
    });
  try {
    await write(row);
  } catch {
    // Most likely the disk is full. Names and keys matter more than thumbnails.
    await dropOldThumbs(THUMBS_DROPPED);
    await write({ ...row, thumb: null });
  }
}

/** @param {Row} row */
async function save(row) {
  const { task } = row;
  try {
    await put(row);
  } catch {
    if (!memory.has(task)) memory.set(task, row);
  }
  strike(task);
  announce({ what: "add", task });
}

/**
 * Store one photo that was submitted; what an earlier entry of that task says stays as it is. The
 * entry survives even if the page is left before this resolves.
 *
 * @param {Pick<Entry, "kind" | "task" | "key"> & Partial<Entry>} entry
 */
export function add({ kind, task, key, name = "", time = Date.now(), thumb = null, ...more }) {
  /** @type {Row} */
  const row = { ...BLANK, ...shorten(more), kind, task, key, name, time, thumb: null };
  note(row);
  return inTurn(async () => save({ ...row, thumb: await pack(thumb) }));
}

// What a page before this one noted, and was left too soon to store.
const arrears = Promise.all(notes().map((row) => inTurn(() => save(row))));

/**
 * Change fields of an entry, if it is there.
 *
 * @param {string} task
 * @param {Partial<Entry>} changes
 */
export function update(task, changes) {
  return inTurn(async () => {
    const { thumb, ...others } = shorten(changes);
    /** @type {Partial<Row>} */
    const news = others;
    if ("thumb" in changes) news.thumb = await pack(thumb);
    const row = memory.get(task);
    if (row) memory.set(task, { ...row, ...news });
    const write = async (/** @type {IDBObjectStore} */ photos) => {
      const before = await answerOf(photos.get(task));
      if (before) await answerOf(photos.put({ ...before, ...news, task }));
    };
    await attempt("readwrite", write, undefined);
    announce({ what: "update", task });
  });
}

/**
 * Forget one photo here; the server is not asked to delete it.
 *
 * @param {string} task
 */
export function remove(task) {
  strike(task);
  return inTurn(async () => {
    memory.delete(task);
    await attempt("readwrite", (photos) => answerOf(photos.delete(task)), undefined);
    announce({ what: "remove", task });
  });
}

/**
 * Read the entry of a task, or null.
 *
 * @param {string} task
 * @returns {Promise<Entry | null>}
 */
export async function get(task) {
  await arrears;
  const row = await attempt("readonly", (photos) => answerOf(photos.get(task)), null);
  const latest = row ?? memory.get(task);
  return latest ? unpack(latest) : null;
}

/**
 * Read every entry, newest first.
 *
 * @returns {Promise<Entry[]>}
 */
export async function all() {
  await arrears;
  /** @type {Row[]} */
  const rows = await attempt("readonly", (photos) => answerOf(photos.getAll()), []);
  const tasks = new Set(rows.map(({ task }) => task));
  const every = [...rows, ...[...memory.values()].filter(({ task }) => !tasks.has(task))];
  every.sort((a, b) => b.time - a.time || (a.task < b.task ? 1 : -1));
  return every.map(unpack);
}

/** Forget everything here; the server is not asked to delete anything. */
export function clear() {
  for (const { task } of notes()) strike(task);
  return inTurn(async () => {
    memory.clear();
    await attempt("readwrite", (photos) => answerOf(photos.clear()), undefined);
    announce({ what: "clear" });
  });
}

/**
 * What `update` should store of the server's answer to a task: state, model, labels, error.
 *
 * @param {Answer} answer
 */
export function verdictOf(answer) {
  /** @type {Map<string, Entry["labels"][0]>} */
  const labels = new Map();
  for (const { label, score } of answer.predictions ?? []) {
    const same = labels.get(label);
    if (same) same.count += 1;
    else labels.set(label, { label, score, count: 1 });
  }
  return {
    state: String(answer.state ?? ""),
    model: String(answer.model ?? ""),
    labels: [...labels.values()].slice(0, MAX_LABELS),
    error: String(answer.error ?? ""),
  };
}
