"""Pictures that show every turn, in any format."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
WIDTH, HEIGHT = 40, 24
RED, GREEN, BLUE, GREY = (220, 20, 20), (20, 200, 20), (20, 20, 220), (128, 128, 128)


def corners() -> Image.Image:
    """Red, green, blue and grey quarters, so that every turn and flip shows."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    for color, x, y in ((RED, 0, 0), (GREEN, 1, 0), (BLUE, 0, 1), (GREY, 1, 1)):
        image.paste(color, (x * WIDTH // 2, y * HEIGHT // 2, (x + 1) * WIDTH // 2, HEIGHT))
    image.paste(BLUE, (0, HEIGHT // 2, WIDTH // 2, HEIGHT))
    image.paste(GREY, (WIDTH // 2, HEIGHT // 2, WIDTH, HEIGHT))
    return image


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def noise(width: int = 160, height: int = 120) -> Image.Image:
    coarse = np.random.default_rng(3).integers(0, 256, (height // 5, width // 5, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height))


def near(pixels: np.ndarray, x: int, y: int, color: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixels[y, x].astype(int) - color).max() < 30)


def assert_upright(pixels: np.ndarray) -> None:
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert near(pixels, 5, 5, RED) and near(pixels, WIDTH - 6, 5, GREEN)
    assert near(pixels, 5, HEIGHT - 6, BLUE) and near(pixels, WIDTH - 6, HEIGHT - 6, GREY)
