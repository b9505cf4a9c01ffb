// Asks again and again, as long as somebody looks.

const PERIOD = 2000; // ms between two questions
const PATIENCE = 10000; // ms before a silent connection counts as lost
const LONGEST_PAUSE = 10000; // ms between two attempts while the server is away

/**
 * Fetch `url` every two seconds while the page is visible, and at once when it becomes so.
 *
 * `onFresh(text)` gets each answer and says whether it makes sense; `onAway()` is told of each attempt
 * without one. The object that is returned has `pause(yes)`.
 */
export function keepFresh(url, { onFresh, onAway }) {
  let timer = 0;
  let asking = false;
  let paused = false;
  let lost = 0;

  const wanted = () => !paused && document.visibilityState === "visible";
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, Math.min(LONGEST_PAUSE, PERIOD * 1.5 ** lost));
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
    if (asking || !wanted()) return;
    asking = true;
    const text = await read();
    asking = false;
    // Meanwhile the reader may have gone, or wants the page to hold still.
    if (wanted()) {
      const fresh = text !== null && onFresh(text);
      lost = fresh ? 0 : lost + 1;
      if (!fresh) onAway();
    }
    later();
  }

  document.addEventListener("visibilitychange", ask);
  window.addEventListener("online", ask);
  later();
  return {
    pause(yes) {
      paused = yes;
      ask();
    },
  };
}
