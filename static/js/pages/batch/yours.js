// The batches that this browser started: a short list, kept in this browser only.

const PLACE = "scai.batches";
const MOST = 50;

/** Newest first: [{id, key, name, kind, time, counts}]. */
export function all() {
  try {
    const list = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(list) ? list.filter(({ id, key } = {}) => id && key) : [];
  } catch {
    return [];
  }
}

function write(list) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(list.slice(0, MOST)));
  } catch {
    // Private windows may keep nothing; the address still has the link.
  }
}

/** Put a batch first. */
export function add(batch) {
  write([batch, ...all().filter(({ id }) => id !== batch.id)]);
}

/** Change what is known of a batch, if it is in the list. */
export function update(id, changes) {
  write(all().map((batch) => (batch.id === id ? { ...batch, ...changes } : batch)));
}

export function remove(id) {
  write(all().filter((batch) => batch.id !== id));
}

export function find(id) {
  return all().find((batch) => batch.id === id) ?? null;
}
