// The way of the files to the server: in portions, each sent until it was answered.

import { pause, withQuery } from "../../shared/dom.js";
import { Problem, problemOf } from "../../shared/problem.js";

const MOST = 16; // photos in one portion
const LARGEST = 6e6; // bytes in one portion, unless one photo alone is larger
const LONGEST_PAUSE = 15000; // ms between two attempts while the connection is lost
const FULL_PAUSE = 30; // seconds, the longest pause for a server that is full

const random = () =>
  [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("");

/** Make an empty batch with these fields: resolves to {id, key}, rejects with a Problem. */
export async function create(url, fields, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== "") form.append(name, value);
  const { status, answer } = await post(url, form, { signal });
  if (status >= 300 || !answer?.id) throw problemOf(status, answer);
  return answer;
}

/**
 * Send `photos` and `archive` into the batch at `url`, and close it.
 *
 * `onProgress(bytes)` counts what has arrived, `onAnswer(answer)` gets the server's word on each
 * portion, `onTrouble(code)` says why it takes longer ("lost", "full", "disk"; "" is over).
 * Resolves to the names of files that could not be read any more. Sent again after a lost answer, a
 * portion is not taken twice: the server knows it by its name.
 */
export async function send(url, { photos, archive }, { signal, onProgress, onAnswer, onTrouble }) {
  const portions = [...cut(photos), ...(archive ? [[archive]] : [])];
  const lost = [];
  let arrived = 0;
  for (const [i, portion] of portions.entries()) {
    const files = await readable(portion, lost);
    const isZip = portion[0] === archive;
    const form = new FormData();
    form.append("portion", random());
    if (i === portions.length - 1) form.append("last", "1");
    for (const { file, name } of files) form.append(isZip ? "archive" : "photo", file, name);
    const size = portion.reduce((sum, photo) => sum + photo.size, 0);
    const onPart = (part) => onProgress(arrived + part * size);
    const answer = await delivered(url, form, { signal, onPart, onTrouble });
    arrived += size;
    onProgress(arrived);
    onAnswer(answer);
  }
  return lost;
}

/** Say that no more photos come. */
export function close(url, signal) {
  const form = new FormData();
  form.append("last", "1");
  return delivered(url, form, { signal, onPart: () => {}, onTrouble: () => {} });
}

function cut(photos) {
  const portions = [];
  let size = Infinity;
  for (const photo of photos) {
    if (size + photo.size > LARGEST || portions.at(-1)?.length >= MOST) {
      portions.push([]);
      size = 0;
    }
    portions.at(-1).push(photo);
    size += photo.size;
  }
  return portions;
}

// A file that was moved or changed since it was chosen cannot be read, now or later.
async function readable(portion, lost) {
  const files = [];
  for (const photo of portion) {
    try {
      await photo.file.slice(0, 1).arrayBuffer();
      files.push(photo);
    } catch {
      lost.push(photo.name);
    }
  }
  return files;
}

async function delivered(url, form, { signal, onPart, onTrouble }) {
  for (let failed = 0; ; failed += 1) {
    let reply = null;
    try {
      reply = await post(url, form, { signal, onPart });
    } catch (error) {
      signal.throwIfAborted();
      if (error.code !== "network") throw error;
    }
    const { status = 0, answer = null } = reply ?? {};
    // A portion that was dealt with names what was refused in it.
    if (answer?.refused && !answer.retry_after) {
      onTrouble("");
      return answer;
    }
    if (reply && status < 500 && !answer?.retry_after) throw problemOf(status, answer);
    onTrouble(troubleOf(status, answer));
    const wait = Math.min(LONGEST_PAUSE, 500 * 2 ** Math.min(failed, 6));
    await pause(Math.max(wait, 1000 * Math.min(FULL_PAUSE, answer?.retry_after ?? 0)), signal);
  }
}

function troubleOf(status, answer) {
  if (status === 507 || answer?.code === "storage_full") return "disk";
  return status === 503 || answer?.retry_after ? "full" : "lost";
}

function post(url, form, { signal, onPart = () => {} }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onPart(event.loaded / event.total);
    };
    request.onload = () => resolve({ status: request.status, answer: parsed(request.responseText) });
    request.onerror = () => reject(new Problem("network"));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

/** The address where photos of a batch are sent. */
export function photosOf(api, { id, key }) {
  return withQuery(`${api}/${id}/photos`, { key });
}
