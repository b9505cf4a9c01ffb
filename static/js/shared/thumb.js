// Small pictures of photos, for lists of them.

const SIDE = 160; // px
const LARGE = 100_000; // bytes
// The browser reduces a large photo where it decodes it, beside the page, and not in it.
const REDUCED = { resizeWidth: 2 * SIDE, resizeQuality: "medium" };

const waiting = []; // files, each with what is told of its small picture
let busy = false;

/** A small upright picture of a photo, at most 160 px a side, or null; one is made at a time. */
export function thumbOf(file) {
  // Each photo is large once decoded, and a person may choose hundreds.
  return new Promise((settle) => {
    waiting.push({ file, settle });
    next();
  });
}

/** Make the small picture of this photo before those of others, if it is still to be made. */
export function thumbFirst(file) {
  const at = waiting.findIndex((one) => one.file === file);
  if (at > 0) waiting.unshift(...waiting.splice(at, 1));
}

async function next() {
  if (busy || waiting.length === 0) return;
  busy = true;
  const { file, settle } = waiting.shift();
  settle(await drawn(file).catch(() => null));
  busy = false;
  next();
}

async function drawn(file) {
  const bitmap = await createImageBitmap(file, file.size > LARGE ? REDUCED : {});
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // JPEG knows no transparency
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
}
