"""Photos that a browser "submitted": really sent to the server, and kept in the page's list."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

from PIL import Image
from playwright.sync_api import expect

from scai.kinds import Kind
from support.live import IC, OD, Live, digit

Open = Callable[..., Any]
DAY_MS = 24 * 3600 * 1000
STORE = 'import("/static/js/shared/store.js")'


def colour(rgb: tuple[int, int, int]) -> bytes:
    """A small photo of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), rgb).save(out, "JPEG")
    return out.getvalue()


def sent(
    live: Live,
    routes: Kind = IC,
    name: str = "photo.png",
    data: bytes | None = None,
    days_ago: float = 0,
    done: bool = True,
) -> dict[str, Any]:
    """Submit a photo; the entry of it that a page adds to the list. Waits for the verdict."""
    model = {"model": "digits"} if routes is IC else {}
    answer = live.post(routes.upload, data or digit(), name, **model)
    assert answer["status"] == "success", answer
    if done:
        assert live.result(routes.result, answer)["state"] == "complete"
    return {
        "kind": routes.name,
        "task": answer["sessname"],
        "key": answer["sesskey"],
        "name": name,
        "time": int(time.time() * 1000 - days_ago * DAY_MS),
    }


def add(page: Any, *entries: dict[str, Any]) -> None:
    """Put entries into the list of the page's browser, as the pages that submit do."""
    page.evaluate(
        f"async (entries) => {{ const {{ add }} = await {STORE};"
        " for (const entry of entries) await add(entry); }",
        list(entries),
    )


def stored_entries(page: Any) -> list[dict[str, Any]]:
    """What the list holds, newest first, without the small pictures."""
    return list(
        page.evaluate(
            f"async () => (await (await {STORE}).all()).map((each) => ({{...each, thumb: null}}))"
        )
    )


def names(page: Any) -> list[str]:
    """The names on the list as it is shown."""
    return list(page.locator(".photo .name").all_text_contents())


def card(page: Any, name: str) -> Any:
    """The card of the photo of that name."""
    return page.locator(".photo", has=page.get_by_role("button", name=name, exact=True))


def open_list(open_page: Open, *entries: dict[str, Any], **options: Any) -> Any:
    """The page of a browser that submitted these."""
    page = open_page("/history", **options)
    expect(page.locator("#nothing")).to_be_visible()
    add(page, *entries)
    expect(page.locator(".photo")).to_have_count(min(120, len(entries)))
    # No question is under way any more that a deletion would leave without an answer, and no
    # card is drawn anew in the hand of the test.
    expect(page.locator(".verdict.pending")).to_have_count(0)
    return page


__all__ = [
    "DAY_MS",
    "IC",
    "OD",
    "STORE",
    "Open",
    "add",
    "card",
    "colour",
    "digit",
    "stored_entries",
    "names",
    "open_list",
    "sent",
]
