// The places of tags: on their box, in it, or below it, and never on each other.

/** @import { Scene } from "./scene.js" */

/**
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ left: number, top: number, right: number, bottom: number }} Spot
 */

const MANY = 30; // visible objects, from which on a tag must not reach beyond its box

/**
 * Place `tags` of the scene's objects on a canvas of `room` {width, height} screen pixels that
 * shows a photo of `size`. A tag without a free place gets the class "crowded"; there is more
 * room when the photo is seen larger. The best come first, so that a less certain one that comes
 * or goes moves no other.
 *
 * @param {HTMLElement[]} tags
 * @param {Scene} scene
 * @param {Size} size
 * @param {Size} room
 */
export function place(tags, scene, size, room) {
  const measures = tags.map(({ offsetWidth: width, offsetHeight: height }) => ({ width, height }));
  const dense = scene.shownCount > MANY;
  /** @type {Spot[]} */
  const taken = [];
  scene.objects.forEach(({ box }, index) => {
    if (!scene.shown[index]) return;
    const scaled = {
      left: (box.x1 / size.width) * room.width,
      top: (box.y1 / size.height) * room.height,
      bottom: (box.y2 / size.height) * room.height,
      width: ((box.x2 - box.x1) / size.width) * room.width,
    };
    const fits = !dense || measures[index].width <= scaled.width;
    const spots = candidates(scaled, measures[index], room);
    const free = fits && spots.find((spot) => !taken.some((other) => overlap(spot, other)));
    if (free) taken.push(free);
    const { left, top } = free || spots[0];
    tags[index].classList.toggle("crowded", !free);
    // In parts of the canvas, so that they stay with their boxes on paper, too.
    tags[index].style.left = `${(100 * left) / room.width}%`;
    tags[index].style.top = `${(100 * top) / room.height}%`;
  });
}

/**
 * @param {{ left: number, top: number, bottom: number }} box
 * @param {Size} tag
 * @param {Size} room
 * @returns {Spot[]}
 */
function candidates(box, { width, height }, room) {
  const left = Math.min(Math.max(0, box.left), Math.max(0, room.width - width));
  const lowest = Math.max(0, room.height - height);
  const tops = [box.top - height, box.top, box.bottom].filter((top) => top >= 0 && top <= lowest);
  if (tops.length === 0) tops.push(Math.min(Math.max(0, box.top), lowest));
  return tops.map((top) => ({ left, top, right: left + width, bottom: top + height }));
}

/**
 * @param {Spot} a
 * @param {Spot} b
 */
function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
