"""Take the screenshots in docs/screenshots/: python -m tools.artwork.screenshots.

Starts a server with empty folders, uses the page as a person does, and photographs every page:
empty and full, light and dark, wide and narrow, with pictures of the project only. Needs the
packages of requirements/dev.txt and a Chromium.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import requests
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from scai.settings import ROOT

FOLDER = ROOT / "docs" / "screenshots"
WIDE, NARROW = (1280, 900), (360, 780)
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_VERDICT_MS = 60_000
_MAX_HEIGHT = 2200  # pixels of a picture
_QUALITY = 72


@click.command()
@click.option("--only", default="", help="Only pages whose name contains this text.")
@click.option("--out", type=Path, default=FOLDER, help="Output folder.")
def main(only: str, out: Path) -> None:
    """Photograph every page of the portal."""
    out.mkdir(parents=True, exist_ok=True)
    browser_path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser_path is None:
        raise click.ClickException("expected Chromium, found none: install it")
    with server() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for scheme, size in (("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW)):
            context = browser.new_context(
                color_scheme=scheme,  # type: ignore[arg-type]
                viewport={"width": size[0], "height": size[1]},
                reduced_motion="reduce",
                bypass_csp=True,  # for the style of `keep`
            )
            page = context.new_page()
            for name, go in SCENES:
                if only in name:
                    go(page, url)
                    where = out / f"{name}-{scheme}-{'wide' if size == WIDE else 'narrow'}.webp"
                    keep(page, where)
                    click.echo(where.name)
            context.close()
        browser.close()


@contextmanager
def server() -> Iterator[str]:
    """Run SCAI in temporary folders; returns its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "SCAI_SESSIONPATH": f"{folder}/session",
            "SCAI_ICPOOLPATH": f"{folder}/pooling/image_classification",
            "SCAI_ODPOOLPATH": f"{folder}/pooling/object_detection",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "scai.cli", "up", "--port", str(port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            for _ in range(300):
                try:
                    if requests.get(f"{url}/readyz", timeout=5).ok:
                        break
                except requests.ConnectionError:
                    pass
                time.sleep(0.2)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def keep(page: Page, file: Path) -> None:
    """Save the whole page as WebP, at most `_MAX_HEIGHT` pixels high."""
    page.mouse.move(0, 0)
    # What is drawn only when it is scrolled to shall be there.
    page.add_style_tag(content="* { content-visibility: visible !important; }")
    page.evaluate("() => { for (const img of document.images) img.loading = 'eager'; }")
    page.wait_for_function("() => [...document.images].every((img) => img.complete)")
    # Loaded is not painted: pictures may be decoded later than the page around them.
    page.evaluate("() => Promise.allSettled([...document.images].map((img) => img.decode()))")
    shot = Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled")))
    shot.crop((0, 0, shot.width, min(shot.height, _MAX_HEIGHT))).save(
        file, "WEBP", quality=_QUALITY, method=6
    )


def opened(path: str) -> Callable[[Page, str], None]:
    """Make a scene that only opens a page."""

    def go(page: Page, url: str) -> None:
        page.goto(url + path)
        page.wait_for_load_state("networkidle")

    return go


def settled(page: Page) -> None:
    """Wait until every photo of the home page has its result and the current one is visible."""
    page.wait_for_function(
        "() => { const photos = [...document.querySelectorAll('.tray-list > li')];"
        " return photos.length && photos.every((p) => p.dataset.state === 'done'); }",
        timeout=_VERDICT_MS,
    )
    page.locator(".shown img").first.wait_for(timeout=_VERDICT_MS)
    page.wait_for_timeout(300)


def fresh(page: Page, url: str) -> None:
    """Open the home page and remove the photos of the previous scene."""
    page.goto(f"{url}/?lang=en")
    page.wait_for_load_state("networkidle")
    for button in page.locator(".tray .clear:visible").all():
        button.click()


def samples(form: str, names: tuple[str, ...]) -> Callable[[Page, str], None]:
    """Make a scene that sends these samples with a form of the home page."""

    def go(page: Page, url: str) -> None:
        fresh(page, url)
        for name in names:
            sample = page.locator(f'#{form} .sample[data-name="{name}.webp"]')
            # On a phone, samples disappear as soon as there are photos.
            if sample.is_visible():
                sample.click()
                page.wait_for_timeout(500)
        settled(page)

    return go


def pad(page: Page, url: str) -> None:
    """Draw a seven on the home page."""
    fresh(page, url)
    page.locator("#imageclassification [data-way=pad]").click()
    canvas = page.locator("#imageclassification canvas")
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    box: Any = canvas.bounding_box()
    stroke = [(0.3, 0.25), (0.7, 0.25), (0.6, 0.5), (0.45, 0.8)]
    for number, (x, y) in enumerate(stroke):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=12)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    settled(page)


def batch(page: Page, url: str) -> None:
    """Open the batch page after uploading a ZIP of all classification samples."""
    page.goto(f"{url}/batch")
    page.wait_for_load_state("networkidle")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for turn in range(3):
            for file in sorted((ROOT / "static" / "samples").glob("*.webp")):
                archive.writestr(f"day {turn + 1}/{file.name}", file.read_bytes())
    page.locator("#archive").set_input_files(
        {"name": "photos.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}
    )
    page.locator("#go").click()
    page.get_by_text("Done. All photos have a result").wait_for(timeout=_VERDICT_MS)
    page.wait_for_timeout(500)


# Empty ones first: what comes later leaves its traces.
SCENES: tuple[tuple[str, Callable[[Page, str], None]], ...] = (
    ("home-empty", opened("/?lang=en")),
    ("home-empty-chinese", opened("/?lang=zh-Hant")),
    ("history-empty", opened("/history?lang=en")),
    ("batch-empty", opened("/batch")),
    ("home-classification", samples("imageclassification", ("ship", "airplane", "truck", "frog"))),
    ("home-detection", samples("objectdetection", ("numbers", "telephone"))),
    ("home-pad", pad),
    ("history-full", opened("/history")),
    ("batch-full", batch),
    ("models", opened("/models")),
    ("status", opened("/status")),
    ("docs", opened("/docs")),
)


if __name__ == "__main__":
    main()
