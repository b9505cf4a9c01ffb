"""Everything on a page that is not a digit: paper, rules, notes, letters, scrawls."""

from __future__ import annotations

import cv2
import numpy as np

from tools.digits.ink import crop_to_ink, smooth_field

# Letters and signs that nobody would read as a digit (no O, I, S, Z, B, l, g, q, b).
_LETTERS = "ACEFHKMNPRTUVWXYadefhkmnrtuvwxy#&@%?+=*$"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)

Boxes = list[tuple[int, int, int, int]]


def background(
    rng: np.random.Generator, width: int, height: int, paper: float, ink: float
) -> np.ndarray:
    """A sheet before anything is written on it: (height, width) float32 grey levels."""
    sheet = np.full((height, width), paper, np.float32)
    contrast = ink - paper
    draw = rng.random()
    if draw < 0.2:  # cloth, wood, a wall: soft blotches of several sizes
        for cells in (4, 12, 40):
            sheet += smooth_field(rng, height, width, cells) * rng.uniform(0, 14)
    elif draw < 0.3:  # things lying about
        for _ in range(int(rng.integers(2, 8))):
            a, b = rng.integers(0, width, 2), rng.integers(0, height, 2)
            level = paper + rng.uniform(0, 0.4) * contrast
            cv2.rectangle(sheet, (int(a[0]), int(b[0])), (int(a[1]), int(b[1])), level, -1)
        sheet = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.5, 8))
    if rng.random() < 0.3:
        _rule(rng, sheet, paper + rng.uniform(0.1, 0.5) * contrast)
    return sheet


def _rule(rng: np.random.Generator, sheet: np.ndarray, level: float) -> None:
    """Ruled or squared paper, held a little askew."""
    height, width = sheet.shape
    gap = int(rng.integers(10, 70))
    tilt = rng.normal(0, 0.03)
    thick = int(rng.integers(1, 3))
    for y in range(int(rng.integers(0, gap)), height + gap, gap):
        cv2.line(sheet, (0, y), (width, int(y + tilt * width)), level, thick, cv2.LINE_AA)
    if rng.random() < 0.35:
        for x in range(int(rng.integers(0, gap)), width + gap, gap):
            cv2.line(sheet, (x, 0), (int(x - tilt * height), height), level, thick, cv2.LINE_AA)


def notes(
    rng: np.random.Generator, sheet: np.ndarray, inks: np.ndarray, paper: float, ink: float
) -> None:
    """Labels and stickers of the opposite colour, so that one page has light and dark ink."""
    height, width = sheet.shape
    for _ in range(int(rng.integers(1, 4))):
        w, h = int(rng.uniform(0.15, 0.7) * width), int(rng.uniform(0.15, 0.7) * height)
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        sheet[y : y + h, x : x + w] = ink + rng.uniform(0, 0.2) * (paper - ink)
        inks[y : y + h, x : x + w] = paper


def scribble(rng: np.random.Generator, coverage: np.ndarray, digits: Boxes) -> None:
    """Letters, shapes and scrawls in the same ink, beside the digits and never over them."""
    if rng.random() < 0.45:
        return
    height, width = coverage.shape
    occupied = list(digits)
    for _ in range(int(rng.integers(1, 14))):
        size = int(np.exp(rng.uniform(np.log(10), np.log(130))))
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        mark = (_letter, _letter, _scrawl, _shape)[int(rng.integers(4))](rng, size)
        h, w = mark.shape
        box = (x, y, x + w, y + h)
        if x + w > width or y + h > height or _overlaps(box, occupied):
            continue
        part = coverage[y : y + h, x : x + w]
        np.maximum(part, mark.astype(np.float32) * rng.uniform(0.6, 1) / 255, out=part)
        occupied.append(box)
    if rng.random() < 0.15:  # a stroke right through, as on a form or a crossed-out line
        ends = rng.integers(0, width, 2), rng.integers(0, height, 2)
        start, end = ((int(a), int(b)) for a, b in zip(*ends, strict=True))
        cv2.line(coverage, start, end, rng.uniform(0.3, 0.8), 1, cv2.LINE_AA)


def _overlaps(box: tuple[int, int, int, int], others: Boxes) -> bool:
    return any(
        box[0] - 2 < right and left < box[2] + 2 and box[1] - 2 < bottom and top < box[3] + 2
        for left, top, right, bottom in others
    )


def _letter(rng: np.random.Generator, size: int) -> np.ndarray:
    """One letter about `size` pixels tall: (h, w) uint8 ink."""
    letter = _LETTERS[int(rng.integers(len(_LETTERS)))]
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    thick = max(1, round(size * rng.uniform(0.03, 0.14)))
    canvas = np.zeros((2 * size + 8, 2 * size + 8), np.uint8)
    cv2.putText(
        canvas, letter, (size // 2, size + size // 2), font, size / 22, 255, thick, cv2.LINE_AA
    )
    turn = cv2.getRotationMatrix2D((size, size), rng.uniform(-20, 20), 1)
    return crop_to_ink(cv2.warpAffine(canvas, turn, canvas.shape[::-1]))


def _scrawl(rng: np.random.Generator, size: int) -> np.ndarray:
    """A pen line that goes nowhere in particular: (h, w) uint8 ink."""
    knots = int(rng.integers(3, 9))
    at = np.linspace(0, knots - 1, 12 * knots)
    points = np.stack(
        [np.interp(at, np.arange(knots), rng.uniform(0.1, 0.9, knots)) * size for _ in range(2)], 1
    )
    if rng.random() < 0.7:
        points = cv2.GaussianBlur(points.astype(np.float32), (1, 0), 3, sigmaY=4)
    if rng.random() < 0.5:
        points *= (rng.uniform(1, 2.5), rng.uniform(0.3, 1))
    canvas = np.zeros((size, int(size * 2.5)), np.uint8)
    thick = max(1, round(size * rng.uniform(0.02, 0.1)))
    cv2.polylines(canvas, [points.astype(np.int32)], False, 255, thick, cv2.LINE_AA)
    return crop_to_ink(canvas)


def _shape(rng: np.random.Generator, size: int) -> np.ndarray:
    """A box, a triangle, a cross, an arrow or a bar: (h, w) uint8 ink."""
    canvas = np.zeros((size, size * 2), np.uint8)
    thick = max(1, round(size * rng.uniform(0.02, 0.12)))
    near, far = 2, size - 3
    wide = int(far * rng.uniform(1, 1.8))
    draw = int(rng.integers(5))
    if draw == 0:
        cv2.rectangle(canvas, (near, near), (wide, far), 255, thick)
    elif draw == 1:
        corners = np.array([[near, far], [wide // 2, near], [wide, far]])
        cv2.polylines(canvas, [corners], True, 255, thick, cv2.LINE_AA)
    elif draw == 2:
        cv2.line(canvas, (near, near), (wide, far), 255, thick, cv2.LINE_AA)
        cv2.line(canvas, (near, far), (wide, near), 255, thick, cv2.LINE_AA)
    elif draw == 3:
        cv2.arrowedLine(canvas, (near, far // 2), (wide, far // 2), 255, thick, cv2.LINE_AA)
    else:
        cv2.rectangle(canvas, (near, near), (wide, max(near + 2, far // 6)), 255, -1)
    return crop_to_ink(canvas)
