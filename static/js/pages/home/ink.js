// Strokes of a pen: on the pad as they are drawn, and as the picture that is recognised.

import { el } from "../../shared/dom.js";

const INK = "#111";
const PAPER = "#fff";
const SINGLE = { width: 560, height: 560, pen: 36 }; // px of the canvas
const PAGE = { width: 960, height: 600, pen: 18 };
// One digit goes to its model in the middle of a square, as large as those it learned from.
const SIDE = 280;
const FILLED = 196;
const FINAL_PEN = 22;
// The detector knows digits up to a quarter of a page's width.
const LINE = 240;

export class Ink {
  /** `single`: for one digit, on a square; else a page. */
  constructor(single) {
    this.single = single;
    this.size = single ? SINGLE : PAGE;
    const { width, height } = this.size;
    this.canvas = el("canvas", { className: "pad-paper", width, height });
    this.strokes = []; // each an array of {x, y} in pixels of the canvas
    this.mark = null;
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

  /** The next point of the stroke, in parts of the pad 0 to 1. */
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

  /** Show where the pen of the keyboard is; null hides it. */
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
    const draw = this.canvas.getContext("2d");
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

  /** The drawing as a PNG. */
  picture() {
    const canvas = this.single ? this.middled() : this.whole();
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  whole() {
    const { width, height, pen } = this.size;
    const { tall, x, y } = this.extent();
    const scale = Math.min(1, LINE / Math.max(1, tall));
    const to = scale < 1 ? { x: width / 2, y: height / 2 } : { x, y };
    return sheet(width, height, (draw) => trace(draw, this.moved({ x, y }, to, scale), pen));
  }

  middled() {
    const { wide, tall, x, y } = this.extent();
    const scale = FILLED / Math.max(wide, tall, this.size.width / 4); // a dot stays a dot
    const middle = { x: SIDE / 2, y: SIDE / 2 };
    return sheet(SIDE, SIDE, (draw) => trace(draw, this.moved({ x, y }, middle, scale), FINAL_PEN));
  }

  /** How wide and tall the drawing is, and where its middle lies, in pixels of the canvas. */
  extent() {
    const points = this.strokes.flat();
    const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    return { wide: right - left, tall: bottom - top, x: (left + right) / 2, y: (top + bottom) / 2 };
  }

  moved(from, to, scale) {
    const one = ({ x, y }) => ({ x: to.x + (x - from.x) * scale, y: to.y + (y - from.y) * scale });
    return this.strokes.map((stroke) => stroke.map(one));
  }
}

function sheet(width, height, paint) {
  const canvas = el("canvas", { width, height });
  const draw = canvas.getContext("2d");
  draw.fillStyle = PAPER;
  draw.fillRect(0, 0, width, height);
  paint(draw);
  return canvas;
}

// Curves through the middles between points: smooth, however few of them a quick hand leaves.
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
    draw.lineTo(points.at(-1).x, points.at(-1).y);
    draw.stroke();
  }
}
