// The sentences of the page in the reader's language; the English sentence is the key.

/** @typedef {Record<string, string | number>} Values */

/** @type {Record<string, string>} */
const catalogue = {};
const { catalogues = "" } = document.documentElement.dataset;

await Promise.all(
  catalogues
    .split(" ")
    .filter(Boolean)
    .map(async (url) => {
      try {
        Object.assign(catalogue, await (await fetch(url)).json());
      } catch {
        // English sentences are better than none.
      }
    }),
);

export const lang = document.documentElement.lang;

/**
 * @param {string} sentence
 * @param {Values} values
 */
const fill = (sentence, values) =>
  sentence.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));

/**
 * Translate `sentence`, with `values` in the places of their {names}.
 *
 * @param {string} sentence
 * @param {Values} [values]
 */
export function t(sentence, values = {}) {
  return fill(catalogue[sentence] ?? sentence, values);
}

/**
 * Translate `one` if `n` is 1, else `many`, with "{n}" in it; catalogues translate `many`.
 *
 * @param {number} n
 * @param {string} one
 * @param {string} many
 * @param {Values} [values]
 */
export function tn(n, one, many, values = {}) {
  return fill(catalogue[many] ?? (n === 1 ? one : many), { n: number(n), ...values });
}

/**
 * Join `names` as the reader's language lists things.
 *
 * @param {string[]} names
 */
export function listOf(names) {
  return names.length ? names.reduce((all, next) => t("{all}, {next}", { all, next })) : "";
}

/**
 * Write a number as the reader does, with at most `digits` after the point.
 *
 * @param {number} value
 */
export function number(value, digits = 1) {
  return new Intl.NumberFormat(lang, { maximumFractionDigits: digits }).format(value);
}

/**
 * Write a score 0..1 as "97.3%".
 *
 * @param {number} score
 */
export function percent(score) {
  return `${(100 * score).toFixed(1)}%`;
}

/**
 * Write a score 0..1 as "97%".
 *
 * @param {number} score
 */
export function wholePercent(score) {
  return `${Math.round(100 * score)}%`;
}

/**
 * Write a number of bytes as "312 kB" or "1.4 MB".
 *
 * @param {number} bytes
 */
export function size(bytes) {
  if (bytes < 1e5) return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/**
 * Write a time (a Date, or milliseconds since 1970) as the reader's date and time.
 *
 * @param {Date | number} time
 */
export function moment(time) {
  return new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "short" }).format(time);
}
