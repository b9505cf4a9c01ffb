// The stage of a card: where a photo is chosen or dropped, seen, and later shown with its boxes.

import { text } from "./text.js";

export class Picture {
  /** `onChoose()` is called after every new choice; the file is then in `file`. */
  constructor(card, onChoose) {
    this.card = card;
    this.stage = card.querySelector(".stage");
    this.input = this.stage.querySelector("input[type=file]");
    this.figure = this.stage.querySelector("figure");
    this.image = this.figure.querySelector("img");
    this.marker = this.figure.querySelector(".mark");
    this.name = card.querySelector(".file-name");
    this.onChoose = onChoose;
    this.input.addEventListener("change", () => this.choose());
    this.image.addEventListener("load", () => this.fit());
    this.image.addEventListener("error", () => this.blank());
    this.acceptDrops();
    if (this.file) this.choose(); // a browser that kept the choice over a reload
  }

  get file() {
    return this.input.files[0] ?? null;
  }

  get size() {
    return { width: this.image.naturalWidth, height: this.image.naturalHeight };
  }

  acceptDrops() {
    let depth = 0; // dragenter and dragleave also come from every child
    const hover = (change) => {
      depth = Math.max(0, change === 0 ? 0 : depth + change);
      this.card.classList.toggle("dropping", depth > 0);
    };
    this.card.addEventListener("dragenter", () => hover(1));
    this.card.addEventListener("dragleave", () => hover(-1));
    this.card.addEventListener("drop", (event) => {
      event.preventDefault();
      hover(0);
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      const single = new DataTransfer(); // one photo, even when several are dropped
      single.items.add(file);
      this.input.files = single.files;
      this.choose();
    });
  }

  choose() {
    this.forget();
    this.unmark();
    const file = this.file;
    this.figure.hidden = file === null;
    this.stage.classList.toggle("chosen", file !== null);
    this.stage.classList.remove("blank");
    this.name.textContent = file ? `${file.name} (${text.size(file.size)})` : "";
    if (file) {
      this.objectUrl = URL.createObjectURL(file);
      this.image.dataset.shows = "preview";
      this.image.alt = text.preview(file.name);
      this.image.src = this.objectUrl;
    }
    this.onChoose();
  }

  /** Show the picture at `url` instead of the preview. */
  show(url, alt) {
    this.image.dataset.shows = "result";
    this.image.alt = alt;
    this.image.src = url;
  }

  /** Back from a result to the photo itself, before it is sent once more. */
  reset() {
    this.unmark();
    if (this.image.dataset.shows !== "result" || !this.objectUrl) return;
    this.image.dataset.shows = "preview";
    this.image.alt = text.preview(this.file.name);
    this.image.src = this.objectUrl;
  }

  /** Put the frame around `box`, x_min, y_min, x_max, y_max in pixels of a picture of `size`. */
  mark({ x_min: x1, y_min: y1, x_max: x2, y_max: y2 }, size) {
    const percent = (part, whole) => `${Math.min(100, Math.max(0, (100 * part) / whole))}%`;
    Object.assign(this.marker.style, {
      left: percent(x1, size.width),
      top: percent(y1, size.height),
      width: percent(x2 - x1, size.width),
      height: percent(y2 - y1, size.height),
    });
    this.marker.hidden = false;
  }

  unmark() {
    this.marker.hidden = true;
  }

  fit() {
    const { width, height } = this.size;
    this.stage.classList.remove("blank");
    this.figure.hidden = false;
    this.figure.style.setProperty("--ratio", String(width && height ? width / height : 1));
  }

  /** A file the browser cannot draw is no error: the server decides what it is. */
  blank() {
    this.figure.hidden = true;
    this.stage.classList.add("blank");
  }

  forget() {
    if (this.objectUrl) URL.revokeObjectURL(this.objectUrl);
    this.objectUrl = null;
  }
}
