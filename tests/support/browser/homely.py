"""The home page as tests use it: its two cards, and what a person does with them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import expect

CLASSIFY = "#imageclassification"
DETECT = "#objectdetection"
VERDICT_MS = 60_000  # a worker may still be loading its model


def png(*digits: tuple[str, int, int], size: tuple[int, int] = (320, 320)) -> bytes:
    """A PNG with dark digits, each with its left and top in pixels, on white."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(220)
    for digit, left, top in digits:
        draw.text((left, top), digit, "black", font, stroke_width=5, stroke_fill="black")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


THREE = png(("3", 90, 20))
TWO_DIGITS = png(("3", 60, 120), ("7", 360, 90), size=(640, 480))


def upload(name: str, data: bytes, mime: str = "image/png") -> dict[str, Any]:
    """A file as Playwright's set_input_files takes it."""
    return {"name": name, "mimeType": mime, "buffer": data}


def choose(page: Any, form: str, *files: Any) -> None:
    """Choose files as in the browser's dialog, and wait until they are in the tray."""
    before = rows(page, form).count()
    page.locator(f"{form} input[name=photo]").set_input_files(list(files))
    expect(rows(page, form)).to_have_count(before + len(files))


def submit(page: Any, form: str) -> None:
    page.locator(f"{form} button[type=submit]").click()


def card(page: Any, form: str) -> Any:
    return page.locator(".card", has=page.locator(form))


def expect_state(page: Any, form: str, state: str) -> None:
    expect(card(page, form)).to_have_attribute("data-state", state, timeout=VERDICT_MS)


def rows(page: Any, form: str, state: str = "") -> Any:
    """The rows of the tray, of photos in `state` only."""
    of = f'[data-state="{state}"]' if state else ""
    return card(page, form).locator(f".tray-list li{of}")


def photo_view(page: Any, form: str) -> Any:
    """The view of the chosen photo."""
    return card(page, form).locator(".shown")


def recognise(page: Any, form: str, *files: Any) -> None:
    """Choose files, press the button and wait for every verdict."""
    choose(page, form, *files)
    submit(page, form)
    expect_state(page, form, "done")


def transfer(page: Any, files: Iterable[tuple[str, bytes, str]]) -> Any:
    """A DataTransfer with files of name, content and type, as a drop or a paste brings it."""
    return page.evaluate_handle(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [name, data, type] of files) {
            const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
            transfer.items.add(new File([bytes], name, { type }));
          }
          return transfer;
        }""",
        [[name, base64.b64encode(data).decode(), kind] for name, data, kind in files],
    )


def paste(page: Any, *files: tuple[str, bytes, str]) -> None:
    """Paste files as Ctrl+V does, at whatever has the focus."""
    page.evaluate(
        """(clipboardData) => (document.activeElement ?? document.body).dispatchEvent(
          new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }))""",
        transfer(page, files),
    )


def draw(page: Any, form: str, *strokes: list[tuple[float, float]]) -> None:
    """Draw strokes with the mouse; points in parts of the pad, 0 to 1."""
    pad = card(page, form).locator(".pad-paper")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    for stroke in strokes:
        (x, y), *others = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke
        ]
        page.mouse.move(x, y)
        page.mouse.down()
        for point in others:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


SEVEN = [(0.25, 0.2), (0.72, 0.2), (0.55, 0.5), (0.42, 0.85)]
