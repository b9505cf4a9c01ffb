// Parts that come when they are needed first, also when the connection is gone just then.

const PAUSE = 2000; // ms between two attempts

/** What `get()` imports, as soon as that succeeds. */
export async function load(get) {
  for (;;) {
    try {
      return await get();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}
