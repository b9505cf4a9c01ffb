// Entries on their way into the database: a page may be left before they have arrived there.

/** @import { Row } from "./store.js" */

const PREFIX = "scai-photo:"; // before the task, in the browser's local storage

/**
 * Note an entry (without its thumbnail) before this turn is over.
 *
 * @param {Row} entry
 */
export function note(entry) {
  try {
    localStorage.setItem(PREFIX + entry.task, JSON.stringify({ ...entry, thumb: null }));
  } catch {
    // Full, or not allowed: the entry is safe once the database has it.
  }
}

/**
 * Remove the note of `task`: the database has the entry, or it was deleted.
 *
 * @param {string} task
 */
export function strike(task) {
  try {
    localStorage.removeItem(PREFIX + task);
  } catch {
    // Not allowed: then there is no note either.
  }
}

/**
 * Read the notes that are left, of this page or one before.
 *
 * @returns {Row[]}
 */
export function notes() {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    return keys.map((key) => JSON.parse(localStorage.getItem(key) ?? "null")).filter(Boolean);
  } catch {
    return [];
  }
}
