// Taking turns: a browser has six connections to a server, and each page shares them out.

/** A function `(act, signal)` that does `act`, but at most `most` of them at once. */
export function turns(most) {
  let busy = 0;
  const queue = [];
  return async (act, signal) => {
    if (busy < most) busy += 1;
    else await new Promise((go) => queue.push(go));
    try {
      signal.throwIfAborted();
      return await act();
    } finally {
      const next = queue.shift();
      if (next) next();
      else busy -= 1;
    }
  };
}
