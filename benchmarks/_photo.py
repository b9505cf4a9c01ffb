"""Make a photo-like picture, the same on every machine, so that no download is needed."""

from __future__ import annotations

import io
from functools import cache


@cache
def photo(width: int = 640, height: int = 480, kilobytes: int = 100) -> bytes:
    """Make a JPEG of this size in pixels and, within a few percent, in kilobytes (10^3 bytes)."""
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(7)
    pixels = np.zeros((height, width, 3), np.float32)
    for side, weight in ((4, 90), (12, 60), (40, 40), (160, 24), (max(width, height), 14)):
        rough = random.integers(0, 256, (side * height // width or 1, side, 3), np.uint8)
        layer = Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)
        pixels += (np.asarray(layer, np.float32) - 128) * weight / 128
    image = Image.fromarray(np.clip(pixels + 128, 0, 255).astype(np.uint8))
    best = b""
    for quality in range(30, 99):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality)
        data = out.getvalue()
        if not best or abs(len(data) - kilobytes * 1000) < abs(len(best) - kilobytes * 1000):
            best = data
    return best
