// What a person hands in: a folder, files, a ZIP, or any of them dropped; sorted into what is sent
// and what is left out, with the reason.

import { breath } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

const PICTURE = /\.(jpe?g|jfif|png|webp|bmp|gif)$/i;
const TYPES = ["image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif"];
const SLICE = 10; // ms of work before the page has its turn
const ZIP = /\.zip$/i;
// Notes of operating systems, which nobody chose on purpose.
const QUIET = /(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini|__MACOSX\/.*)$/i;

/** The files of an input as [{file, name}]; the name has the folders that were chosen with it. */
export function fromInput(input) {
  return [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

/** What was dropped, with everything in dropped folders, as [{file, name}]. */
export async function fromDrop(transfer) {
  // The list of items is empty as soon as this function waits for anything.
  const entries = [...transfer.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile())
    .filter(Boolean);
  const found = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push({ file: entry, name: entry.name });
    else await walk(entry, found);
  }
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A hundred at a time, until there is none.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return;
    for (const inner of part) await walk(inner, found);
  }
}

/**
 * Sort `files` by what can be sent: {photos, archive, left, bytes}, where a photo is {file, name,
 * size}. `left` are those left out, [{name, why}]; `limits` are the server's: photos, bytes of one
 * photo, photo_mb, mb of a ZIP. Of thousands of files it looks at a few at a time.
 */
export async function sorted(files, limits) {
  const chosen = { photos: [], archive: null, left: [], bytes: 0 };
  const leave = (name, why) => chosen.left.push({ name, why });
  // One collator for all: thousands of comparisons that each make their own take a second.
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  const named = [...files].sort((a, b) => compare(a.name, b.name));
  let begun = performance.now();
  for (const { file, name } of named) {
    if (QUIET.test(name)) continue;
    if (performance.now() - begun > SLICE) {
      await breath();
      begun = performance.now();
    }
    const { size } = file; // the browser looks at the disk whenever it is asked for this
    if (ZIP.test(name)) {
      if (chosen.archive) leave(name, t("one ZIP at a time"));
      else if (size > 1e6 * limits.mb) leave(name, t("larger than {mb} MB", { mb: limits.mb }));
      else chosen.archive = { file, name, size };
    } else if (!PICTURE.test(name) && !TYPES.includes(file.type)) leave(name, t("not a picture"));
    else if (size > limits.bytes) {
      leave(name, t("larger than {mb} MB", { mb: limits.photo_mb }));
    } else if (chosen.photos.length >= limits.photos) {
      leave(name, t("beyond the limit of a batch"));
    } else chosen.photos.push({ file, name, size });
  }
  for (const { size } of chosen.photos) chosen.bytes += size;
  chosen.bytes += chosen.archive?.size ?? 0;
  return chosen;
}
