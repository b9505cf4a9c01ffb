"""Draw results on a picture: boxes, masks, and labels on coloured tags.

The colour of a label depends on its text alone, so it is the same in every process and on every
machine. Texts are drawn with the fonts inside OpenCV 5, which know Latin, Greek,
Cyrillic, Chinese, Japanese and Korean; no font has to be installed.
"""

from __future__ import annotations

import colorsys
import zlib
from dataclasses import dataclass

import cv2
import numpy as np

from scai.pictures.pixels import Pixels, encode_png
from scai.recognition.results import Drawing

Color = tuple[int, int, int]

FONT = "sans"
FONT_WEIGHT = 500
SMALLEST_TEXT_PIXELS = 8
TEXT_SHARE = 40  # text is the shorter side / 40 high
READABLE_PIXELS = 14
MASK_OPACITY = 0.45
# From this luminance on, black contrasts more than white (WCAG 2).
DARK_TEXT_FROM = 0.179


def annotate(
    pixels: Pixels, drawing: Drawing, line_thickness: int = 4, limit: int | None = None
) -> bytes:
    """A PNG of the picture `(h, w, 3)` uint8 RGB with the drawing on it, as `draw` makes it."""
    return encode_png(draw(pixels, drawing, line_thickness, limit))


def draw(
    pixels: Pixels, drawing: Drawing, line_thickness: int = 4, limit: int | None = None
) -> Pixels:
    """A copy of the picture with the first `limit` boxes on it; `line_thickness` in pixels."""
    canvas = np.ascontiguousarray(pixels).copy()
    size = text_pixels(*canvas.shape[:2])
    count = len(drawing) if limit is None else min(limit, len(drawing))
    # The best last, on top of the others.
    for i in reversed(range(count)):
        _draw_mask(canvas, drawing, i)
    for i in reversed(range(count)):
        _draw_box(canvas, _edges(drawing, i), color(drawing.labels[i]), line_thickness)
    tags: list[_Tag] = []
    for i in range(count):
        tag = _Tag.of(drawing.labels[i], float(drawing.scores[i]), size, canvas.shape[1])
        tag.put_beside(_edges(drawing, i), canvas.shape[:2], tags)
        tags.append(tag)
    for tag in reversed(tags):
        tag.draw(canvas)
    return canvas


def text_pixels(height: int, width: int) -> int:
    """Height of text that is legible when a picture of this size is fitted to a screen."""
    return max(READABLE_PIXELS, round(min(height, width) / TEXT_SHARE))


def caption(label: str, score: float) -> str:
    """The text of a tag: "person: 97%"."""
    return f"{label}: {score * 100:.0f}%"


def color(label: str) -> Color:
    """RGB of a label: strong enough to be visible on a photo, and the same everywhere."""
    number = zlib.crc32(label.encode())
    hue, light = (number & 0xFFFF) / 0x10000, 0.45 + 0.15 * (number >> 16 & 0xFF) / 0xFF
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(ground: Color) -> Color:
    """Black or white, whichever contrasts more with this RGB: at least 4.5 to 1."""
    parts = [level / 255 for level in ground]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue >= DARK_TEXT_FROM
    return (0, 0, 0) if dark else (255, 255, 255)


def _edges(drawing: Drawing, i: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a box as pixels of the picture."""
    x1, y1, x2, y2 = (int(edge) for edge in np.rint(drawing.boxes[i]))
    return x1, y1, min(x2, drawing.width - 1), min(y2, drawing.height - 1)


def _draw_box(
    canvas: Pixels, box: tuple[int, int, int, int], ground: Color, thickness: int
) -> None:
    """Draw four bars of exactly `thickness` pixels, centred on the edges, cut at the picture's.

    OpenCV's own rectangle has round corners and, from 3 pixels on, is wider than asked for.
    """
    before = (thickness - 1) // 2
    after = thickness - before
    x1, y1, x2, y2 = box
    left, top = max(0, x1 - before), max(0, y1 - before)
    for y in (y1, y2):
        canvas[max(0, y - before) : y + after, left : x2 + after] = ground
    for x in (x1, x2):
        canvas[top : y2 + after, max(0, x - before) : x + after] = ground


def _draw_mask(canvas: Pixels, drawing: Drawing, i: int) -> None:
    if drawing.masks is None:
        return
    x1, y1, x2, y2 = _edges(drawing, i)
    height, width = y2 - y1 + 1, x2 - x1 + 1
    if height < 1 or width < 1:
        return
    mask = cv2.resize(drawing.masks[i], (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    part = canvas[y1 : y2 + 1, x1 : x2 + 1]
    # By a table of the 256 levels: blending the pixels themselves takes gigabytes on a large photo.
    tint = np.array(color(drawing.labels[i]), np.float32) * MASK_OPACITY
    table = (np.arange(256)[:, None] * (1 - MASK_OPACITY) + tint).astype(np.uint8)[None]
    cv2.copyTo(cv2.LUT(part, table), mask.astype(np.uint8), part)


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
        text, size, width, ascent, descent = _fit(caption(label, score), size, room)
        pad = _padding(size)
        height = ascent + descent + 2 * pad
        return cls(text, color(label), size, pad, ascent, width + 2 * pad, height)

    def put_beside(
        self, box: tuple[int, int, int, int], picture: tuple[int, int], others: list[_Tag]
    ) -> None:
        """Place the tag above the box, in it or below it: the first place that covers no other tag.

        It stays inside a picture of (height, width) pixels, if that is large enough.
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


def _fit(text: str, size: int, width: int) -> tuple[str, int, int, int, int]:
    """The text, its size, and its width, ascent and descent in pixels, fitted into `width`.

    The letters get smaller first; then the end of the text is cut.
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
