"""Folders, ZIPs and steps for the tests of the page of batches."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from support.live import digit

DONE_MS = 60_000  # a worker may still be loading its model


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """The page of batches in a window of ordinary size."""
    return open_page("/batch", viewport={"width": 1280, "height": 900})


def folder_of(place: Path, *digits: str, name: str = "digits") -> Path:
    """A folder with a PNG for each digit, and things that are no pictures."""
    folder = place / name
    (folder / "more").mkdir(parents=True)
    for number, text in enumerate(digits):
        (folder / f"digit {number}.png").write_bytes(digit(text))
    (folder / "more" / "notes.txt").write_text("words")
    (folder / ".DS_Store").write_text("x")
    return folder


def zip_of(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def choose(page: Any, what: str, files: Any) -> None:
    page.locator(f"#{what}").set_input_files(files)


def start(page: Any, model: str = "digits") -> None:
    page.locator("select[name=model]").select_option(model)
    page.locator("#go").click()


def expect_done(page: Any, words: str = "Done. All photos have a result") -> None:
    expect(page.locator("#state-words")).to_have_text(words, timeout=DONE_MS)


def rows(page: Any) -> Any:
    return page.locator("#table tbody tr")


def column(page: Any, number: int) -> list[str]:
    """The texts of a column, from 1."""
    cells = page.locator(f"#table tbody tr > :nth-child({number})")
    return [text.strip() for text in cells.all_text_contents()]
