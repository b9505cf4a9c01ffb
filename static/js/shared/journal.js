// Entries on their way into the database: a page may be left before they have arrived there.

const MARK = "scai-photo:"; // before the task, in the browser's storage of words

/** Note an entry (without its small picture) before this turn is over. */
export function note(entry) {
  try {
    localStorage.setItem(MARK + entry.task, JSON.stringify({ ...entry, thumb: null }));
  } catch {
    // Full, or not allowed: the entry is safe once the database has it.
  }
}

/** The entry of `task` has arrived, or is not wanted any more. */
export function strike(task) {
  try {
    localStorage.removeItem(MARK + task);
  } catch {
    // Not allowed: then there is no note either.
  }
}

/** The entries noted and not struck, of this page or one before. */
export function noted() {
  try {
    const marks = Object.keys(localStorage).filter((mark) => mark.startsWith(MARK));
    return marks.map((mark) => JSON.parse(localStorage.getItem(mark))).filter(Boolean);
  } catch {
    return [];
  }
}
