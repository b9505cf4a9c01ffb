"""The keyboard in tests of pages."""

from __future__ import annotations

from typing import Any

import pytest


def tab_to(page: Any, target: Any) -> None:
    """Press Tab until `target` has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if target.evaluate("node => node === document.activeElement"):
            return
    pytest.fail("the keyboard never gets there")
