// The colour of a label, the same as in the annotated picture (scai/recognition/annotate.py).

const SATURATION = 0.9;
// From this luminance on black stands out more than white does (WCAG 2, contrast).
const DARK_TEXT_FROM = 0.179;

/**
 * Compute the CRC-32 of the text's UTF-8 bytes, as zlib does.
 *
 * @param {string} text
 */
function crc32(text) {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Round a half to the even neighbour, as Python does.
 *
 * @param {number} value
 */
function round(value) {
  const whole = Math.floor(value);
  if (value - whole === 0.5) return whole + (whole % 2);
  return Math.round(value);
}

/**
 * Compute red, green and blue, 0..255, by the arithmetic of Python's colorsys.
 *
 * @param {string} label
 */
function rgb(label) {
  const number = crc32(label);
  const hue = (number & 0xffff) / 0x10000;
  const light = 0.45 + (0.15 * ((number >>> 16) & 0xff)) / 0xff;
  const high = light <= 0.5 ? light * (1 + SATURATION) : light + SATURATION - light * SATURATION;
  const low = 2 * light - high;
  return [hue + 1 / 3, hue, hue - 1 / 3].map((angle) => {
    const turn = angle - Math.floor(angle);
    if (turn < 1 / 6) return round(255 * (low + (high - low) * turn * 6));
    if (turn < 1 / 2) return round(255 * high);
    if (turn < 2 / 3) return round(255 * (low + (high - low) * (2 / 3 - turn) * 6));
    return round(255 * low);
  });
}

/**
 * Compute the relative luminance of WCAG 2, 0 to 1.
 *
 * @param {number[]} color red, green, blue
 */
function luminance(color) {
  const [red, green, blue] = color.map((level) => {
    const part = level / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * Find a label's colour, and black or white, whichever is easier to read on it.
 *
 * @param {string} label
 */
export function colorOf(label) {
  const ground = rgb(label);
  const dark = luminance(ground) >= DARK_TEXT_FROM;
  return { ground: `rgb(${ground.join(", ")})`, ink: dark ? "#000" : "#fff" };
}
