// The files that a person hands in: a folder, photos, a ZIP, or any of them dropped; sorted into
// those to send and those left out, with the reason.

import { yieldToPage } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

/**
 * What was handed in: `photos` and `archive` can be sent, `left` cannot; `bytes` of those to send.
 *
 * @typedef {{ file: File, name: string }} NamedFile
 * @typedef {NamedFile & { size: number }} SizedFile
 * @typedef {{ name: string, why: string }} LeftOut
 * @typedef {{ photos: SizedFile[], archive: SizedFile | null, left: LeftOut[], bytes: number }} Selection
 */

/**
 * The server's limits: photos in a batch, bytes and MB of one photo, MB of a ZIP.
 *
 * @typedef {{ photos: number, bytes: number, photo_mb: number, mb: number, megapixels: number }} BatchLimits
 */

const PICTURE = /\.(jpe?g|jfif|png|webp|bmp|gif)$/i;
const TYPES = ["image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif"];
const SLICE = 10; // ms of work before the page has its turn
const ZIP = /\.zip$/i;
// Notes of operating systems, which nobody chose on purpose.
const SYSTEM_FILE = /(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini|__MACOSX\/.*)$/i;

/**
 * Read the files of an input; a name has the folders that were chosen with it.
 *
 * @param {HTMLInputElement} input
 * @returns {NamedFile[]}
 */
export function fromInput(input) {
  const files = [...(input.files ?? [])];
  return files.map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

/**
 * Read what was dropped, with everything in dropped folders.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<NamedFile[]>}
 */
export async function fromDrop(transfer) {
  // The list of items is empty as soon as this function waits for anything.
  const entries = [...transfer.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  /** @type {NamedFile[]} */
  const files = [];
  for (const entry of entries) {
    if (entry instanceof File) files.push({ file: entry, name: entry.name });
    else if (entry) await walk(entry, files);
  }
  return files;
}

/**
 * @param {FileSystemEntry} entry
 * @param {NamedFile[]} files
 */
async function walk(entry, files) {
  if (entry.isFile) {
    const { file } = /** @type {FileSystemFileEntry} */ (entry);
    /** @type {File} */
    const content = await new Promise((resolve, reject) => file.call(entry, resolve, reject));
    files.push({ file: content, name: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  for (;;) {
    // A hundred at a time, until there is none.
    /** @type {FileSystemEntry[]} */
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) return;
    for (const inner of part) await walk(inner, files);
  }
}

/**
 * Sort `files` into those to send and those left out. Of thousands of files it looks at a few at a
 * time, so that the page stays alive.
 *
 * @param {NamedFile[]} files
 * @param {BatchLimits} limits
 */
export async function sort(files, limits) {
  /** @type {Selection} */
  const selection = { photos: [], archive: null, left: [], bytes: 0 };
  // One collator for all: thousands of comparisons that each make their own take a second.
  const { compare } = new Intl.Collator(undefined, { numeric: true });
  const inOrder = [...files].sort((a, b) => compare(a.name, b.name));
  let begin = performance.now();
  for (const { file, name } of inOrder) {
    if (SYSTEM_FILE.test(name)) continue;
    if (performance.now() - begin > SLICE) {
      await yieldToPage();
      begin = performance.now();
    }
    const { size } = file; // the browser looks at the disk whenever it is asked for this
    const why = refusal({ file, name, size }, selection, limits);
    if (why) selection.left.push({ name, why });
    else if (ZIP.test(name)) selection.archive = { file, name, size };
    else selection.photos.push({ file, name, size });
  }
  for (const { size } of selection.photos) selection.bytes += size;
  selection.bytes += selection.archive?.size ?? 0;
  return selection;
}

/**
 * Say why a file cannot be sent with what was selected before it; "" if it can.
 *
 * @param {SizedFile} file
 * @param {Selection} selection
 * @param {BatchLimits} limits
 */
function refusal({ file, name, size }, selection, limits) {
  if (ZIP.test(name)) {
    if (selection.archive) return t("only one ZIP at a time");
    return size > 1e6 * limits.mb ? t("larger than {mb} MB", { mb: limits.mb }) : "";
  }
  if (!PICTURE.test(name) && !TYPES.includes(file.type)) return t("not a picture");
  if (size > limits.bytes) return t("larger than {mb} MB", { mb: limits.photo_mb });
  return selection.photos.length >= limits.photos ? t("over the limit of a batch") : "";
}
