// Thumbnails of photos, for lists of them.

const SIDE = 160; // px
const LARGE = 100_000; // bytes
// The browser reduces a large photo where it decodes it, beside the page, and not in it.
/** @type {ImageBitmapOptions} */
const REDUCED = { resizeWidth: 2 * SIDE, resizeQuality: "medium" };

/** @type {{ file: Blob, settle: (thumb: Blob | null) => void }[]} */
const queue = [];
let busy = false;

/**
 * Make an upright thumbnail of a photo, at most 160 px a side; null if the browser cannot read it.
 *
 * @param {Blob} file
 * @returns {Promise<Blob | null>}
 */
export function thumbOf(file) {
  // One at a time: each photo is large once decoded, and a person may choose hundreds.
  return new Promise((settle) => {
    queue.push({ file, settle });
    next();
  });
}

/**
 * Move this photo to the front of the queue, if its thumbnail is still to be made.
 *
 * @param {Blob | null} file
 */
export function thumbFirst(file) {
  const at = queue.findIndex((one) => one.file === file);
  if (at > 0) queue.unshift(...queue.splice(at, 1));
}

async function next() {
  const first = busy ? undefined : queue.shift();
  if (!first) return;
  busy = true;
  first.settle(await draw(first.file).catch(() => null));
  busy = false;
  next();
}

/**
 * @param {Blob} file
 * @returns {Promise<Blob | null>}
 */
async function draw(file) {
  const bitmap = await createImageBitmap(file, file.size > LARGE ? REDUCED : {});
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  if (!pen) return null;
  pen.fillStyle = "#fff"; // JPEG knows no transparency
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
}
