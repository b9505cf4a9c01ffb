// Strokes of a pen: on the pad as they are drawn, and as the picture that is recognised.

/**
 * @typedef {{ x: number, y: number }} Point
 * @typedef {{ x: number, y: number, down: boolean }} Pen of the keyboard, in parts of the pad 0..1
 */

import { el } from "../../shared/dom.js";

const INK = "#111";
const PAPER = "#fff";
const SINGLE = { width: 560, height: 560, pen: 36 }; // px of the canvas
const PAGE = { width: 960, height: 600, pen: 18 };
// One digit goes to its model in the middle of a square, as large as the digits of its training.
const SIDE = 280;
const FILLED = 196;
const FINAL_PEN = 22;
// The detector knows digits up to a quarter of a page's width.
const LINE = 240;

export class Ink {
  /** @param {boolean} single for one digit, on a square; else a page */
  constructor(single) {
    this.single = single;
    this.size = single ? SINGLE : PAGE;
    const { width, height } = this.size;
    this.canvas = el("canvas", { className: "pad-paper", width, height });
    /** @type {Point[][]} */
    this.strokes = []; // in pixels of the canvas
    /** @type {Pen | null} */
    this.mark = null;
    /** @type {number | null} */
    this.frame = null;
  }

  /** Width over height. */
  get ratio() {
    return this.size.width / this.size.height;
  }

  get empty() {
    return this.strokes.length === 0;
  }

  start() {
    this.strokes.push([]);
  }

  /**
   * Add the next point of the stroke.
   *
   * @param {number} x in parts of the pad, 0..1
   * @param {number} y
   */
  add(x, y) {
    this.strokes.at(-1)?.push({ x: x * this.size.width, y: y * this.size.height });
    this.draw();
  }

  undo() {
    this.strokes.pop();
    this.draw();
  }

  clear() {
    this.strokes = [];
    this.draw();
  }

  /**
   * Show where the pen of the keyboard is; null hides it.
   *
   * @param {Pen | null} mark
   */
  cursor(mark) {
    this.mark = mark;
    this.draw();
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
    });
  }

  paint() {
    const { width, height, pen } = this.size;
    const draw = penOf(this.canvas);
    draw.fillStyle = PAPER;
    draw.fillRect(0, 0, width, height);
    trace(draw, this.strokes, pen);
    if (!this.mark) return;
    const { x, y, down } = this.mark;
    draw.beginPath();
    draw.arc(x * width, y * height, pen / 2 + 4, 0, 2 * Math.PI);
    draw.lineWidth = 3;
    draw.strokeStyle = down ? "#006b5b" : "#74847e";
    draw.stroke();
  }

  /**
   * Make a PNG of the drawing.
   *
   * @returns {Promise<Blob>}
   */
  picture() {
    const canvas = this.single ? this.centeredDigit() : this.wholePage();
    return new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG"))), "image/png"),
    );
  }

  wholePage() {
    const { width, height, pen } = this.size;
    const { tall, x, y } = this.extent();
    const scale = Math.min(1, LINE / Math.max(1, tall));
    const to = scale < 1 ? { x: width / 2, y: height / 2 } : { x, y };
    return sheet(width, height, (draw) => trace(draw, this.move({ x, y }, to, scale), pen));
  }

  centeredDigit() {
    const { wide, tall, x, y } = this.extent();
    const scale = FILLED / Math.max(wide, tall, this.size.width / 4); // a dot stays a dot
    const middle = { x: SIDE / 2, y: SIDE / 2 };
    return sheet(SIDE, SIDE, (draw) => trace(draw, this.move({ x, y }, middle, scale), FINAL_PEN));
  }

  /** Measure how wide and tall the drawing is, and where its middle is, in pixels of the canvas. */
  extent() {
    const points = this.strokes.flat();
    const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    return { wide: right - left, tall: bottom - top, x: (left + right) / 2, y: (top + bottom) / 2 };
  }

  /**
   * Scale the strokes and move them.
   *
   * @param {Point} from
   * @param {Point} to
   * @param {number} scale
   */
  move(from, to, scale) {
    const one = (/** @type {Point} */ { x, y }) => ({ x: to.x + (x - from.x) * scale, y: to.y + (y - from.y) * scale });
    return this.strokes.map((stroke) => stroke.map(one));
  }
}

/** @param {HTMLCanvasElement} canvas */
function penOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
}

/**
 * @param {number} width
 * @param {number} height
 * @param {(draw: CanvasRenderingContext2D) => void} paint
 */
function sheet(width, height, paint) {
  const canvas = el("canvas", { width, height });
  const draw = penOf(canvas);
  draw.fillStyle = PAPER;
  draw.fillRect(0, 0, width, height);
  paint(draw);
  return canvas;
}

/**
 * Draw curves through the middles between points: smooth, however few of them a quick hand leaves.
 *
 * @param {CanvasRenderingContext2D} draw
 * @param {Point[][]} strokes
 * @param {number} width
 */
function trace(draw, strokes, width) {
  Object.assign(draw, { lineWidth: width, lineCap: "round", lineJoin: "round", strokeStyle: INK });
  for (const points of strokes) {
    if (points.length === 0) continue;
    draw.beginPath();
    draw.moveTo(points[0].x, points[0].y);
    for (let i = 1; i < points.length - 1; i += 1) {
      const [here, next] = [points[i], points[i + 1]];
      draw.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
    }
    const last = points[points.length - 1];
    draw.lineTo(last.x, last.y);
    draw.stroke();
  }
}
