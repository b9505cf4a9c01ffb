// A limit on tasks that run together: a browser has six connections to a server, and each page
// shares them out.

/**
 * Make a function that runs the tasks it gets, but at most `limit` of them at once.
 *
 * @param {number} limit
 * @returns {<T>(task: () => Promise<T>, signal: AbortSignal) => Promise<T>}
 */
export function limiter(limit) {
  let running = 0;
  /** @type {(() => void)[]} */
  const queue = [];
  return async (task, signal) => {
    if (running < limit) running += 1;
    else await new Promise((resolve) => queue.push(() => resolve(undefined)));
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
