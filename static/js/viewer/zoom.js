// Looking closer: a canvas that grows inside a window that scrolls, so that fingers, wheels and
// keys move it as they move any page.

/** @typedef {{ x: number, y: number }} Point in pixels of the browser's window */

const MAX = 8;
const STEP = 1.5;
const DRAG = 4; // pixels a mouse moves before a click becomes a drag
const FASTEST = 50; // wheel units of one turn that count

export class Zoom {
  /**
   * @param {HTMLElement} view
   * @param {HTMLElement} canvas fills `view` at zoom 1
   * @param {() => void} onZoom called after each change of `level`, 1 to 8
   */
  constructor(view, canvas, onZoom) {
    this.view = view;
    this.canvas = canvas;
    this.onZoom = onZoom;
    this.level = 1;
    /** @type {{ width: number, height: number, x: number, y: number } | null} */
    this.seen = null;
    view.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    view.addEventListener("keydown", (event) => this.key(event));
    view.addEventListener("scroll", () => this.remember(), { passive: true });
    new ResizeObserver(() => this.resized()).observe(view);
    this.listenToFingers();
    this.listenToMouse();
  }

  get max() {
    return MAX;
  }

  /** @param {Point} [point] */
  nearer(point) {
    this.to(this.level * STEP, point);
  }

  /** @param {Point} [point] */
  farther(point) {
    this.to(this.level / STEP, point);
  }

  fit() {
    this.to(1);
  }

  /**
   * Zoom to `level` and keep `point` where it is; the middle if absent.
   *
   * @param {number} level
   * @param {Point} [point]
   */
  to(level, point = this.middle()) {
    const next = Math.min(MAX, Math.max(1, level));
    const { left, top } = this.view.getBoundingClientRect();
    const [x, y] = [point.x - left - this.view.clientLeft, point.y - top - this.view.clientTop];
    const growth = next / this.level;
    const corner = [this.view.scrollLeft, this.view.scrollTop];
    this.level = next < 1.02 ? 1 : next;
    this.canvas.style.width = this.canvas.style.height = `${100 * this.level}%`;
    this.scroll((corner[0] + x) * growth - x, (corner[1] + y) * growth - y);
    this.view.classList.toggle("zoomed", this.level > 1);
    this.remember();
    this.onZoom();
  }

  /**
   * Scroll a part of the canvas into the window.
   *
   * @param {{ x1: number, y1: number, x2: number, y2: number }} part each edge 0..1
   */
  reveal({ x1, y1, x2, y2 }) {
    const { clientWidth, clientHeight, scrollLeft, scrollTop } = this.view;
    const into = (
      /** @type {number} */ from,
      /** @type {number} */ to,
      /** @type {number} */ whole,
      /** @type {number} */ seen,
      /** @type {number} */ now,
    ) => {
      const [start, end] = [from * whole, to * whole];
      return start >= now && end <= now + seen ? now : (start + end - seen) / 2;
    };
    this.scroll(
      into(x1, x2, clientWidth * this.level, clientWidth, scrollLeft),
      into(y1, y2, clientHeight * this.level, clientHeight, scrollTop),
    );
  }

  /** Note which part of the canvas is in the middle, as long as the window has the same size. */
  remember() {
    const { clientWidth: width, clientHeight: height, scrollLeft, scrollTop } = this.view;
    if (this.seen && (width !== this.seen.width || height !== this.seen.height)) return;
    const part = (/** @type {number} */ start, /** @type {number} */ seen) =>
      (start + seen / 2) / (seen * this.level || 1);
    this.seen = { width, height, x: part(scrollLeft, width), y: part(scrollTop, height) };
  }

  /** Look at the same part as before, through a window of another size. */
  resized() {
    const { clientWidth: width, clientHeight: height } = this.view;
    if (!width || !height) return; // put away for a while
    const { x, y } = this.seen ?? { x: 0.5, y: 0.5 };
    this.seen = null;
    this.scroll((x * this.level - 0.5) * width, (y * this.level - 0.5) * height);
    this.remember();
    this.onZoom();
  }

  /**
   * @param {number} left
   * @param {number} top
   */
  scroll(left, top) {
    this.view.scrollTo({ left, top, behavior: "instant" });
  }

  middle() {
    const { left, top, width, height } = this.view.getBoundingClientRect();
    return { x: left + width / 2, y: top + height / 2 };
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!event.ctrlKey) return; // a trackpad's pinch says so, too
    event.preventDefault();
    const turn = Math.max(-FASTEST, Math.min(FASTEST, event.deltaY));
    this.to(this.level * Math.exp(-turn / 100), { x: event.clientX, y: event.clientY });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.nearer();
    else if (event.key === "-") this.farther();
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  /** Two fingers pinch; one scrolls, which the browser does by itself. */
  listenToFingers() {
    /** @type {(Point & { apart: number }) | null} */
    let last = null;
    const spread = (/** @type {TouchList} */ [a, b]) => ({
      x: (a.clientX + b.clientX) / 2,
      y: (a.clientY + b.clientY) / 2,
      apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1,
    });
    const touch = (/** @type {TouchEvent} */ event) => {
      if (event.touches.length !== 2) {
        last = null;
        return;
      }
      event.preventDefault();
      const now = spread(event.touches);
      if (last) {
        this.view.scrollBy({ left: last.x - now.x, top: last.y - now.y, behavior: "instant" });
        this.to((this.level * now.apart) / last.apart, now);
      }
      last = now;
    };
    this.view.addEventListener("touchstart", touch, { passive: false });
    this.view.addEventListener("touchmove", touch, { passive: false });
    this.view.addEventListener("touchend", touch);
    this.view.addEventListener("touchcancel", touch);
  }

  listenToMouse() {
    const { view } = this;
    /** @type {(Point & { left: number, top: number }) | null} */
    let start = null;
    let dragged = false;
    view.addEventListener("pointerdown", (event) => {
      dragged = false;
      if (event.pointerType !== "mouse" || event.button !== 0 || this.level === 1) return;
      start = { x: event.clientX, y: event.clientY, left: view.scrollLeft, top: view.scrollTop };
    });
    view.addEventListener("pointermove", (event) => {
      if (!start) return;
      const [x, y] = [event.clientX - start.x, event.clientY - start.y];
      if (!dragged && Math.hypot(x, y) < DRAG) return;
      if (!dragged) view.setPointerCapture(event.pointerId);
      dragged = true;
      view.classList.add("dragged");
      this.scroll(start.left - x, start.top - y);
    });
    const end = () => {
      start = null;
      view.classList.remove("dragged");
    };
    view.addEventListener("pointerup", end);
    view.addEventListener("pointercancel", end);
    view.addEventListener("click", (event) => dragged && event.stopPropagation(), { capture: true });
  }
}
