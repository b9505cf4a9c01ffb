// The kinds of recognition and their addresses, as the server writes them into each page.

import { withQuery } from "./dom.js";

/**
 * A kind of recognition, with its words in the reader's language (scai/kinds.py). `upload` is where
 * photos go; `result`, `input` and `output` are where the result, the photo as it was sent and the
 * annotated picture come from; `output` is null unless `draws`.
 *
 * @typedef {object} Kind
 * @property {string} kind
 * @property {string} upload
 * @property {string} result
 * @property {string} input
 * @property {string | null} output
 * @property {string} title
 * @property {boolean} draws whether results have boxes and an annotated picture
 * @property {string} action_one of the button that sends a photo
 * @property {string} action_many with {n}
 */

/**
 * What opens one photo on the server.
 *
 * @typedef {{ task: string, key: string }} Access
 */

/** @type {Record<string, Kind>} */
export const KINDS = JSON.parse(document.documentElement.dataset.kinds ?? "{}");

/**
 * Whether results of this kind have boxes and an annotated picture.
 *
 * @param {string} kind
 */
export function draws(kind) {
  return KINDS[kind]?.draws ?? false;
}

/**
 * The name of a kind in words.
 *
 * @param {string} kind
 */
export function titleOf(kind) {
  return KINDS[kind]?.title ?? kind;
}

/**
 * Build the address of the result, the photo or the annotated picture.
 *
 * @param {string} kind
 * @param {"result" | "input" | "output"} what
 * @param {Access} access
 */
export function address(kind, what, { task, key }) {
  return withQuery(KINDS[kind][what] ?? "", { task, key });
}
