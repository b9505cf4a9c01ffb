// The camera of this machine: a picture of what it sees, and a shutter.

/** @import { Workspace } from "./workspace.js" */

import { el } from "../../shared/dom.js";
import { t } from "../../shared/i18n.js";

const CONSTRAINTS = { video: { width: { ideal: 1280 }, height: { ideal: 960 } } };

export class Camera {
  /** @param {Workspace} workspace gets each photo */
  constructor(workspace) {
    this.workspace = workspace;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.isOpen = false;
    this.video = el("video", { muted: true, playsInline: true, autoplay: true });
    this.video.setAttribute("aria-label", t("Camera preview"));
    this.shutter = el("button", { type: "button", className: "primary shutter", disabled: true });
    this.shutter.textContent = t("Take the photo");
    this.words = el("p", { className: "tool-words", role: "status" });
    this.box = el("div", { className: "camera" }, this.video, this.shutter, this.words);
    this.shutter.addEventListener("click", () => this.shoot());
    // A camera in the background should not run.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.stop();
      else if (this.isOpen) this.open();
    });
  }

  get hint() {
    return t("Take a photo. The result appears here.");
  }

  async open() {
    this.isOpen = true;
    if (this.stream) return;
    this.words.textContent = t("Waiting for the camera");
    try {
      const stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
      if (!this.isOpen || document.hidden) {
        stopTracks(stream);
        return;
      }
      this.stream = stream;
      this.video.srcObject = stream;
      await this.video.play();
      this.words.textContent = "";
      this.shutter.disabled = false;
    } catch (error) {
      this.stop();
      this.words.textContent = reasonOf(error);
    }
  }

  close() {
    this.isOpen = false;
    this.stop();
  }

  stop() {
    if (this.stream) stopTracks(this.stream);
    this.stream = null;
    this.video.srcObject = null;
    this.shutter.disabled = true;
  }

  async shoot() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || !height) return;
    const canvas = el("canvas", { width, height });
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    /** @type {Blob | null} */
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    const name = this.workspace.unusedName("camera", "jpg");
    if (!blob) return;
    this.workspace.take([new File([blob], name, { type: "image/jpeg" })], { now: true });
  }
}

/** @param {MediaStream} stream */
function stopTracks(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** @param {unknown} error */
function reasonOf(error) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") {
    return t(
      "The browser was not allowed to use the camera. Allow it in the address bar, then try again.",
    );
  }
  if (name === "NotFoundError") return t("No camera was found.");
  if (name === "NotReadableError") return t("Another program is using the camera.");
  return t("The camera could not be started.");
}
