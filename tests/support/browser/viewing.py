"""Results to be looked at: made-up answers, and the view of one on a page of the live server."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image
from playwright.sync_api import expect

from support.live import IC, OD

WIDTH, HEIGHT = 1000, 500  # of the made-up photo
HOSTILE = "<img src=x onerror=alert(1)>"
# Puts the view of `given` alone on the page.
MOUNT = """async (given) => {
  const { resultView } = await import("/static/js/viewer/viewer.js");
  const panel = document.createElement("section");
  panel.className = "panel";
  panel.append(resultView(given));
  document.querySelector("main").replaceChildren(panel);
}"""
CALL = """async ([name, ...values]) =>
  (await import("/static/js/viewer/viewer.js"))[name](...values)"""


def picture(width: int = WIDTH, height: int = HEIGHT, **save: Any) -> str:
    """A plain photo as an address."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (120, 130, 140)).save(buffer, "PNG", **save)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def prediction(
    label: str, score: float, left: float, top: float, right: float, bottom: float
) -> dict[str, Any]:
    """One prediction of a detection."""
    box = {"x_min": left, "y_min": top, "x_max": right, "y_max": bottom}
    return {"label": label, "class_id": 1, "score": score, "box": box}


FOUR = [
    prediction("cat", 0.9, 100, 50, 300, 250),
    prediction("dog", 0.8, 400, 100.5, 520.5, 400),
    prediction("cat", 0.6, 900, 0, 1000, 120),
    prediction("bird", 0.45, 420, 200, 470, 260),
]


def detection(*predictions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The result document of a detection on the made-up photo."""
    return {
        "state": "complete",
        "predictions": list(predictions),
        "image": {"width": WIDTH, "height": HEIGHT, "orientation": 1},
        "threshold": 0.4,
        **more,
    }


def classification(*pairs: tuple[str, float]) -> dict[str, Any]:
    """The result document of a classification with these labels and scores."""
    rows = [{"label": label, "index": i, "score": score} for i, (label, score) in enumerate(pairs)]
    return {"state": "complete", "predictions": rows, "model": "digits", "engine": "litert"}


def show(page: Any, kind: str, answer: dict[str, Any], **given: Any) -> None:
    """Put the view of `answer` on the page."""
    given = {"kind": kind, "answer": answer, "picture": picture(), "name": "page.png", **given}
    page.evaluate(MOUNT, given)
    expect(page.locator(".view")).to_be_visible()


def call(page: Any, name: str, *values: Any) -> Any:
    """What the viewer's function `name` says to `values`."""
    return page.evaluate(CALL, [name, *values])


def rectangle(locator: Any) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of an element in pixels of the screen."""
    return tuple(
        locator.evaluate(
            """(node) => {
              const { left, top, right, bottom } = node.getBoundingClientRect();
              return [left, top, right, bottom];
            }"""
        )
    )


def resize(page: Any, width: int, height: int) -> None:
    """Give the window another size, and wait until the page has answered to it."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("(width) => innerWidth === width", arg=width)
    # Observers of sizes are told at the end of the first of these pictures.
    page.evaluate(
        "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
    )


def boxes_lie_right(page: Any, predictions: list[dict[str, Any]], width: int, height: int) -> None:
    """Fail unless each box is where its numbers say, by less than a pixel of the screen."""
    expect(page.locator(".view-line")).to_have_count(len(predictions))
    # All at one moment: between two of them the photo may be scrolled.
    (left, top, right, bottom), *lines = page.evaluate(
        """(count) => {
          const boxes = Array.from({ length: count }, (_, n) => `[data-index="${n}"] .view-line`);
          return [".view-photo", ...boxes.map((box) => `.view-box${box}`)].map((each) => {
            const { left, top, right, bottom } =
              document.querySelector(each).getBoundingClientRect();
            return [left, top, right, bottom];
          });
        }""",
        len(predictions),
    )
    for prediction, shown in zip(predictions, lines, strict=True):
        box = prediction["box"]
        expected = (
            left + box["x_min"] / width * (right - left),
            top + box["y_min"] / height * (bottom - top),
            left + box["x_max"] / width * (right - left),
            top + box["y_max"] / height * (bottom - top),
        )
        assert all(abs(a - b) < 1 for a, b in zip(shown, expected, strict=True)), (shown, expected)


__all__ = [
    "FOUR",
    "HEIGHT",
    "HOSTILE",
    "IC",
    "OD",
    "WIDTH",
    "boxes_lie_right",
    "call",
    "classification",
    "detection",
    "prediction",
    "picture",
    "rectangle",
    "resize",
    "show",
]
