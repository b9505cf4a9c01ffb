"""Small things that many tests need."""

from __future__ import annotations

import io
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image

KIND = "image_classification"
# Real models and photos, on machines that have them.
SHARED = Path(__file__).resolve().parents[3] / "shared"


def picture(
    size: tuple[int, int] = (64, 48),
    color: tuple[int, int, int] | int = (200, 30, 30),
    format: str = "JPEG",
) -> bytes:
    """A small picture of one colour as a file."""
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, format)
    return out.getvalue()


def picture_without_its_end(size: tuple[int, int] = (640, 480)) -> bytes:
    """A JPEG that is cut off and closed: the portal takes it, and only a decoder sees the gap."""
    whole = picture(size)
    return whole[: len(whole) * 2 // 3] + b"\xff\xd9"


def open_below(folder: Path) -> list[str]:
    """What this process has open in a folder; other threads open and close files elsewhere."""
    targets = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            targets.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [target for target in targets if target.startswith(f"{folder}/")]


def wait_until(condition: Callable[[], object], seconds: float = 20.0, what: str = "") -> None:
    """Wait for a condition; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        pause.wait(0.01)


_OPEN = re.compile(r"(/proc/self/fd/[0-9]+)(/.*)?")


def absolute(path: str) -> str:
    """A path without the link in it that stands for an open folder."""
    match = _OPEN.fullmatch(path)
    return os.path.abspath(path if match is None else os.readlink(match[1]) + (match[2] or ""))


class Clock:
    """A clock that a test turns by hand: `now` is what it shows, in seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Turn it on by so much, and wait for nothing."""
        self.now += seconds
