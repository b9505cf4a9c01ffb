// The batches that this browser started: a short list, stored in this browser only.

/**
 * @typedef {{ all?: number, complete?: number }} Counts
 * @typedef {{ id: string, key: string, name: string, kind: string, time: number, counts?: Counts, state?: string }} OwnBatch
 */

const STORAGE_KEY = "scai.batches";
const MAX_BATCHES = 50;

/**
 * Read the list, newest first.
 *
 * @returns {OwnBatch[]}
 */
export function all() {
  try {
    const list = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]");
    return Array.isArray(list) ? list.filter((batch) => batch?.id && batch?.key) : [];
  } catch {
    return [];
  }
}

/** @param {OwnBatch[]} list */
function write(list) {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(list.slice(0, MAX_BATCHES)));
  } catch {
    // Private windows may store nothing; the address still has the link.
  }
}

/**
 * Put a batch first.
 *
 * @param {OwnBatch} batch
 */
export function add(batch) {
  write([batch, ...all().filter(({ id }) => id !== batch.id)]);
}

/**
 * Change fields of a batch, if it is in the list.
 *
 * @param {string} id
 * @param {Partial<OwnBatch>} changes
 */
export function update(id, changes) {
  write(all().map((batch) => (batch.id === id ? { ...batch, ...changes } : batch)));
}

/** @param {string} id */
export function remove(id) {
  write(all().filter((batch) => batch.id !== id));
}

/** @param {string} id */
export function get(id) {
  return all().find((batch) => batch.id === id) ?? null;
}
