// Modules that are loaded on demand, also when the connection is gone just then.

const PAUSE = 2000; // ms between two attempts

/**
 * Import a module with `get()`, as often as it takes.
 *
 * @template T
 * @param {() => Promise<T>} get
 * @returns {Promise<T>}
 */
export async function load(get) {
  for (;;) {
    try {
      return await get();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}
