"""The picture with what was found in it: boxes, masks, and labels on coloured tags.

The look of a label depends on its text alone, so that one label has one colour in every process
and on every machine. Texts are drawn with the fonts inside OpenCV 5, which know Latin, Greek,
Cyrillic, Chinese, Japanese and Korean; no font has to be installed.
"""

from __future__ import annotations

import colorsys
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from scai.pictures.pixels import Pixels, encode_png
from scai.recognition.results import Classification, Detections, Result

Color = tuple[int, int, int]

FONT = "sans"
FONT_WEIGHT = 500
SMALLEST_TEXT_PIXELS = 8
TEXT_SHARE = 40  # text is the shorter side / 40 high
READABLE_PIXELS = 14
MASK_OPACITY = 0.45
# From this luminance on black stands out more than white does (WCAG 2, contrast).
DARK_TEXT_FROM = 0.179


def annotate(
    pixels: Pixels, result: Result, line_thickness: int = 4, most: int | None = None
) -> bytes:
    """A PNG of the picture `(h, w, 3)` uint8 RGB with the result drawn on it, as `draw` does."""
    return encode_png(draw(pixels, result, line_thickness, most))


def draw(
    pixels: Pixels, result: Result, line_thickness: int = 4, most: int | None = None
) -> Pixels:
    """A copy of the picture with the `most` best results on it; `line_thickness` in pixels."""
    canvas = np.ascontiguousarray(pixels).copy()
    size = text_pixels(*canvas.shape[:2])
    if isinstance(result, Classification):
        _draw_classes(canvas, result, size)
        return canvas
    count = len(result) if most is None else min(most, len(result))
    # The best last, on top of the others.
    for i in reversed(range(count)):
        _draw_mask(canvas, result, i)
    for i in reversed(range(count)):
        _draw_box(canvas, _edges(result, i), color(result.labels[i]), line_thickness)
    tags: list[_Tag] = []
    for i in range(count):
        tag = _Tag.of(result.labels[i], float(result.scores[i]), size, canvas.shape[1])
        tag.put_beside(_edges(result, i), canvas.shape[:2], tags)
        tags.append(tag)
    for tag in reversed(tags):
        tag.draw(canvas)
    return canvas


def text_pixels(height: int, width: int) -> int:
    """The height of text that is legible on a picture of this size once it fits a screen."""
    return max(READABLE_PIXELS, round(min(height, width) / TEXT_SHARE))


def caption(label: str, score: float) -> str:
    """The text of a tag: "person: 97%"."""
    return f"{label}: {score * 100:.0f}%"


def color(label: str) -> Color:
    """RGB of a label: strong enough to be seen on a photo, and the same everywhere."""
    number = zlib.crc32(label.encode())
    hue, light = (number & 0xFFFF) / 0x10000, 0.45 + 0.15 * (number >> 16 & 0xFF) / 0xFF
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(ground: Color) -> Color:
    """Black or white, whichever is read more easily on this RGB: 4.5 to 1 at the least."""
    parts = [level / 255 for level in ground]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue >= DARK_TEXT_FROM
    return (0, 0, 0) if dark else (255, 255, 255)


def _edges(result: Detections, i: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a box as pixels that exist."""
    x1, y1, x2, y2 = (int(edge) for edge in np.rint(result.boxes[i]))
    return x1, y1, min(x2, result.width - 1), min(y2, result.height - 1)


def _draw_box(
    canvas: Pixels, box: tuple[int, int, int, int], ground: Color, thickness: int
) -> None:
    """Four bars of exactly `thickness` pixels around the middle of the edges, cut at the picture's.

    OpenCV's own rectangle has round corners and, from 3 pixels on, is wider than it was told.
    """
    before = (thickness - 1) // 2
    after = thickness - before
    x1, y1, x2, y2 = box
    left, top = max(0, x1 - before), max(0, y1 - before)
    for y in (y1, y2):
        canvas[max(0, y - before) : y + after, left : x2 + after] = ground
    for x in (x1, x2):
        canvas[top : y2 + after, max(0, x - before) : x + after] = ground


def _draw_mask(canvas: Pixels, result: Detections, i: int) -> None:
    if result.masks is None:
        return
    x1, y1, x2, y2 = _edges(result, i)
    height, width = y2 - y1 + 1, x2 - x1 + 1
    if height < 1 or width < 1:
        return
    mask = cv2.resize(result.masks[i], (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    part = canvas[y1 : y2 + 1, x1 : x2 + 1]
    # By a table of the 256 levels: blending the pixels themselves takes gigabytes on a large photo.
    tint = np.array(color(result.labels[i]), np.float32) * MASK_OPACITY
    table = (np.arange(256)[:, None] * (1 - MASK_OPACITY) + tint).astype(np.uint8)[None]
    cv2.copyTo(cv2.LUT(part, table), mask.astype(np.uint8), part)


def _draw_classes(canvas: Pixels, result: Classification, size: int) -> None:
    """The classes below each other in the top left corner, as many as there is room for."""
    top = 0
    for label, score in zip(result.labels, result.scores, strict=True):
        tag = _Tag.of(label, float(score), size, canvas.shape[1])
        if top and top + tag.height > canvas.shape[0]:
            return
        tag.top = top
        tag.draw(canvas)
        top += tag.height + 1


@dataclass
class _Tag:
    """Text on a filled ground; all numbers are pixels, `left` and `top` those of the ground."""

    text: str
    ground: Color
    size: int
    pad: int
    ascent: int
    width: int
    height: int
    left: int = 0
    top: int = 0

    @classmethod
    def of(cls, label: str, score: float, size: int, room: int) -> _Tag:
        """The tag of a label, at most `room` pixels wide."""
        text, size, width, ascent, descent = _fitted(caption(label, score), size, room)
        pad = _padding(size)
        height = ascent + descent + 2 * pad
        return cls(text, color(label), size, pad, ascent, width + 2 * pad, height)

    def put_beside(
        self, box: tuple[int, int, int, int], picture: tuple[int, int], others: list[_Tag]
    ) -> None:
        """Stand on the box, hang in it or hang below it: the first that covers no other tag.

        Always inside a picture of (height, width) pixels, as far as that is large enough.
        """
        x1, y1, _, y2 = box
        self.left = min(max(0, x1), max(0, picture[1] - self.width))
        lowest = max(0, picture[0] - self.height)
        tops = [top for top in (y1 - self.height, y1, y2) if 0 <= top <= lowest]
        tops = tops or [min(max(0, y1), lowest)]
        for top in tops:
            self.top = top
            if not any(self._covers(other) for other in others):
                return
        self.top = tops[0]

    def _covers(self, other: _Tag) -> bool:
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )

    def draw(self, canvas: Pixels) -> None:
        """Draw ground and text."""
        end = (self.left + self.width - 1, self.top + self.height - 1)
        cv2.rectangle(canvas, (self.left, self.top), end, self.ground, cv2.FILLED)
        ink = ink_on(self.ground)
        origin = (self.left + self.pad, self.top + self.pad + self.ascent)
        cv2.putText(canvas, self.text, origin, ink, cv2.FontFace(FONT), self.size, FONT_WEIGHT)


def _padding(size: int) -> int:
    return max(1, size // 6)


def _fitted(text: str, size: int, width: int) -> tuple[str, int, int, int, int]:
    """The text, its size, and its width, ascent and descent in pixels, so that it fits `width`.

    First the letters get smaller, then the end of the text goes.
    """
    text = "".join(c if c.isprintable() else " " for c in text)
    while True:
        text_width, ascent, descent = _measure(text, size)
        if text_width + 2 * _padding(size) <= width or len(text) < 2:
            return text, size, text_width, ascent, descent
        if size > SMALLEST_TEXT_PIXELS:
            size = max(SMALLEST_TEXT_PIXELS, min(size - 1, int(size * width / (text_width + size))))
        else:
            text = text.rstrip("…")[:-1] + "…" if len(text) > 2 else text[:1]


def _measure(text: str, size: int) -> tuple[int, int, int]:
    """Width, height above and depth below the base line in pixels."""
    font = cv2.FontFace(FONT)
    x, y, text_width, text_height = cv2.getTextSize((0, 0), text, (0, 0), font, size, FONT_WEIGHT)
    # Letters with and without tails get tags of one height.
    ascent = max(-y, round(size * 0.8))
    return x + text_width, ascent, max(y + text_height, round(size * 0.25))
