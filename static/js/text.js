// Every sentence the scripts can say. Another language is another object of this shape.

const count = (n, one, many) => `${n} ${n === 1 ? one : many}`;

export const text = {
  percent: (score) => `${(100 * score).toFixed(1)}%`,
  size: (bytes) =>
    bytes < 1e5 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`,
  seconds: (s) => `${s} s`,

  preview: (name) => `Preview of ${name}`,
  annotated: (n) => `Your photo with ${count(n, "box", "boxes")} drawn on it`,

  uploading: "Uploading",
  waiting: "Waiting in the queue",
  recognising: "Recognising",
  reconnecting: "Connection lost, retrying",

  foundLabel: (label, percent) => `Done. Most likely: ${label}, ${percent}`,
  foundObjects: (n) => `Done. ${count(n, "object", "objects")} found`,
  foundNothing: "Done. Nothing found",

  likeliest: "Most likely",
  objects: (n) => count(n, "object", "objects"),
  nothingHelp: "No answer was certain enough. Try a sharper, brighter or closer photo.",
  times: (n) => `×${n}`,
  position: (x, y, w, h) => `left ${x}, top ${y}, ${w} × ${h} px`,
  pixels: (w, h) => `${w} × ${h} px`,
  saveData: "Save the data (JSON)",
  savePicture: "Save the picture (PNG)",

  tryAgain: "Try again",
  copied: "Copied",

  // What went wrong, by code: a title and what to do next.
  problems: {
    no_photo: () => ["No photo chosen yet.", "Choose one, or drop one on this card."],
    image_too_large: (limits) => [
      "This photo is too large.",
      `The limit is ${limits.mb} MB and ${limits.megapixels} megapixels. ` +
        "Make it smaller and try again.",
    ],
    unsupported_format: (limits) => [
      "This file is not a picture SCAI can read.",
      `Choose a ${limits.formats} picture.`,
    ],
    bad_image: (limits) => [
      "This picture could not be read.",
      `It may be damaged. Open it in a picture program, save it as ${limits.formats} and try again.`,
    ],
    bad_request: () => ["The server did not understand this upload.", "Try another photo."],
    busy: (limits, problem) => [
      "The server has too much to do right now.",
      problem.retryAfter
        ? `Try again in ${count(Math.ceil(problem.retryAfter), "second", "seconds")}.`
        : "Try again in a minute.",
    ],
    storage_full: () => [
      "The server has no room left for photos.",
      "Try again later, or tell the person who runs it.",
    ],
    not_found: () => ["The server no longer knows this photo.", "Send it again."],
    network: () => [
      "The server could not be reached.",
      "Check your connection, then try again. Your photo is still here.",
    ],
    engine: () => [
      "The model could not look at this photo.",
      "Try again, or tell the person who runs the server.",
    ],
    unknown: () => [
      "Something went wrong on the server.",
      "Try again. If it stays this way, tell the person who runs the server.",
    ],
  },
};
