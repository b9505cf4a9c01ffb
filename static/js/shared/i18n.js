// The sentences of the page in the reader's language; the English words are the key.

const said = {};
const { catalogues = "" } = document.documentElement.dataset;

await Promise.all(
  catalogues
    .split(" ")
    .filter(Boolean)
    .map(async (url) => {
      try {
        Object.assign(said, await (await fetch(url)).json());
      } catch {
        // English words are better than none.
      }
    }),
);

export const lang = document.documentElement.lang;

const fill = (words, values) =>
  words.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));

/** `sentence` in the reader's language, with `values` in the places of their {names}. */
export function t(sentence, values = {}) {
  return fill(said[sentence] ?? sentence, values);
}

/** `one` when `n` is 1, else `many`, with "{n}" in it; catalogues translate `many`. */
export function tn(n, one, many, values = {}) {
  const counted = { n: number(n), ...values };
  return fill(said[many] ?? (n === 1 ? one : many), counted);
}

/** A number as the reader writes it. `digits` after the point, at most. */
export function number(value, digits = 1) {
  return new Intl.NumberFormat(lang, { maximumFractionDigits: digits }).format(value);
}

/** A score 0..1 as "97.3%". */
export function percent(score) {
  return `${(100 * score).toFixed(1)}%`;
}

/** A number of bytes as "312 kB" or "1.4 MB". */
export function size(bytes) {
  if (bytes < 1e5) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** A moment (a Date or milliseconds since 1970) as date and time of the reader. */
export function moment(when) {
  return new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" }).format(when);
}
