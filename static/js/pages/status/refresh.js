// The request for fresh figures, repeated as long as the page is visible.

const PERIOD = 2000; // ms between two requests
const PATIENCE = 10000; // ms before a silent connection counts as lost
const MAX_PAUSE = 10000; // ms between two attempts while the server is away

/**
 * Fetch `url` every two seconds while the page is visible, and at once when it becomes so.
 *
 * @param {string} url
 * @param {object} listeners
 * @param {(text: string) => boolean} listeners.onFresh gets each answer, says if it makes sense
 * @param {() => void} listeners.onAway called after each attempt without one
 */
export function keepFresh(url, { onFresh, onAway }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let asking = false;
  let paused = false;
  let failures = 0;

  const mayAsk = () => !paused && document.visibilityState === "visible";
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.min(MAX_PAUSE, PERIOD * 1.5 ** failures));
  };

  async function read() {
    const silence = new AbortController();
    const deadline = setTimeout(() => silence.abort(), PATIENCE);
    try {
      const answer = await fetch(url, { cache: "no-store", signal: silence.signal });
      return answer.ok ? await answer.text() : null;
    } catch {
      return null;
    } finally {
      clearTimeout(deadline);
    }
  }

  async function ask() {
    clearTimeout(timer);
    if (asking || !mayAsk()) return;
    asking = true;
    const text = await read();
    asking = false;
    // Meanwhile the reader may have left the page or paused it.
    if (mayAsk()) {
      const fresh = text !== null && onFresh(text);
      failures = fresh ? 0 : failures + 1;
      if (!fresh) onAway();
    }
    later();
  }

  document.addEventListener("visibilitychange", ask);
  window.addEventListener("online", ask);
  later();
  return {
    /** @param {boolean} yes */
    pause(yes) {
      paused = yes;
      ask();
    },
  };
}
