// The files' way to the server: in portions, each sent until it was answered.

/** @import { SizedFile } from "./files.js" */

import { post } from "../../shared/api.js";
import { pause, withQuery } from "../../shared/dom.js";
import { Problem, problemOf } from "../../shared/problem.js";

/**
 * What to call on the way: `onProgress` with the bytes that have arrived, `onAnswer` with the
 * server's answer to each portion, `onTrouble` with why it takes longer; "" when that is over.
 *
 * @typedef {object} Listeners
 * @property {AbortSignal} signal
 * @property {(bytes: number) => void} onProgress
 * @property {(answer: { state: string, counts: any }) => void} onAnswer
 * @property {(code: Trouble) => void} onTrouble
 */

/** @typedef {"" | "lost" | "full" | "disk"} Trouble */

const MAX_PHOTOS = 16; // in one portion
const MAX_BYTES = 6e6; // in one portion, unless one photo alone is larger
const MAX_PAUSE = 15000; // ms between two attempts while the connection is lost
const FULL_PAUSE = 30; // seconds, the longest pause for a server that is full

const randomName = () =>
  [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("");

/**
 * Make an empty batch. Rejects with a Problem.
 *
 * @param {string} url
 * @param {Record<string, string>} fields
 * @param {AbortSignal} signal
 * @returns {Promise<{ id: string, key: string }>}
 */
export async function create(url, fields, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== "") form.append(name, value);
  const { status, answer } = await post(url, form, { signal });
  if (status >= 300 || !answer?.id) throw problemOf(status, answer);
  return answer;
}

/**
 * Send `photos` and `archive` into the batch at `url`, and close it. Sent again after a lost answer,
 * a portion does not count twice: the server knows it by its name.
 *
 * @param {string} url
 * @param {{ photos: SizedFile[], archive: SizedFile | null }} selection
 * @param {Listeners} listeners
 * @returns {Promise<string[]>} names of files that could not be read any more
 */
export async function send(url, { photos, archive }, { signal, onProgress, onAnswer, onTrouble }) {
  const portions = [...cut(photos), ...(archive ? [[archive]] : [])];
  /** @type {string[]} */
  const unreadable = [];
  let arrived = 0;
  for (const [i, portion] of portions.entries()) {
    const files = await readable(portion, unreadable);
    const field = portion[0] === archive ? "archive" : "photo";
    const form = new FormData();
    form.append("portion", randomName());
    if (i === portions.length - 1) form.append("last", "1");
    for (const { file, name } of files) form.append(field, file, name);
    const size = portion.reduce((sum, photo) => sum + photo.size, 0);
    const onPart = (/** @type {number} */ part) => onProgress(arrived + part * size);
    const answer = await deliver(url, form, { signal, onPart, onTrouble });
    arrived += size;
    onProgress(arrived);
    onAnswer(answer);
  }
  return unreadable;
}

/**
 * Tell the server that no more photos come.
 *
 * @param {string} url
 * @param {AbortSignal} signal
 */
export function close(url, signal) {
  const form = new FormData();
  form.append("last", "1");
  return deliver(url, form, { signal, onPart: () => {}, onTrouble: () => {} });
}

/** @param {SizedFile[]} photos */
function cut(photos) {
  /** @type {SizedFile[][]} */
  const portions = [];
  /** @type {SizedFile[]} */
  let portion = [];
  let bytes = 0;
  for (const photo of photos) {
    if (portion.length > 0 && (bytes + photo.size > MAX_BYTES || portion.length >= MAX_PHOTOS)) {
      portions.push(portion);
      portion = [];
      bytes = 0;
    }
    portion.push(photo);
    bytes += photo.size;
  }
  return portion.length > 0 ? [...portions, portion] : portions;
}

/**
 * Leave out files that were moved or changed since they were chosen: they cannot be read any more.
 *
 * @param {SizedFile[]} portion
 * @param {string[]} unreadable gets their names
 */
async function readable(portion, unreadable) {
  const files = [];
  for (const photo of portion) {
    try {
      await photo.file.slice(0, 1).arrayBuffer();
      files.push(photo);
    } catch {
      unreadable.push(photo.name);
    }
  }
  return files;
}

/**
 * @param {string} url
 * @param {FormData} form
 * @param {{ signal: AbortSignal, onPart: (part: number) => void, onTrouble: (code: Trouble) => void }} options
 */
async function deliver(url, form, { signal, onPart, onTrouble }) {
  for (let failures = 0; ; failures += 1) {
    let reply = null;
    try {
      reply = await post(url, form, { signal, onPart });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Problem) || error.code !== "network") throw error;
    }
    const { status = 0, answer = null } = reply ?? {};
    // A portion that the server has dealt with names what was refused in it.
    if (answer?.refused && !answer.retry_after) {
      onTrouble("");
      return answer;
    }
    if (reply && status < 500 && !answer?.retry_after) throw problemOf(status, answer);
    onTrouble(troubleOf(status, answer));
    const wait = Math.min(MAX_PAUSE, 500 * 2 ** Math.min(failures, 6));
    await pause(Math.max(wait, 1000 * Math.min(FULL_PAUSE, answer?.retry_after ?? 0)), signal);
  }
}

/**
 * @param {number} status
 * @param {any} answer
 * @returns {Trouble}
 */
function troubleOf(status, answer) {
  if (status === 507 || answer?.code === "storage_full") return "disk";
  return status === 503 || answer?.retry_after ? "full" : "lost";
}

/**
 * Build the address where photos of a batch are sent.
 *
 * @param {string} api
 * @param {{ id: string, key: string }} batch
 */
export function photosUrl(api, { id, key }) {
  return withQuery(`${api}/${id}/photos`, { key });
}
