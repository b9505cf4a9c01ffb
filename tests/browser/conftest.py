"""A real browser for the tests of the page, and a watch over what it does.

The browser is the one that SCAI_CHROMIUM names, or a Chromium or Chrome on the path.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright import sync_api as playwright_api
from support.browser.watch import Watch

# A busy machine is no reason to fail: what never comes, never comes.
playwright_api.expect.set_options(timeout=20_000)

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# A policy violation becomes a console error with this word in it.
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("CSP", event.violatedDirective, event.blockedURI));
"""


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Any]]:
    """Start a browser process, with further flags of Chromium's if any are given."""
    named = os.environ.get("SCAI_CHROMIUM")
    path = named or next((p for p in map(shutil.which, _NAMES) if p), None)
    if path is None:
        missing = "no Chromium found: install one, or name it in SCAI_CHROMIUM"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with playwright_api.sync_playwright() as playwright:
        yield lambda *flags: playwright.chromium.launch(
            executable_path=path, args=[*_QUIET, *flags]
        )


@pytest.fixture(scope="session")
def chromium(launch: Callable[..., Any]) -> Iterator[Any]:
    """One browser process for all tests."""
    browser = launch()
    yield browser
    browser.close()


@pytest.fixture
def watch(live: Any) -> Watch:
    """The watch over this test's pages."""
    parts = urlsplit(live.url)
    return Watch(f"{parts.scheme}://{parts.netloc}")


@pytest.fixture
def opener(live: Any, watch: Watch) -> Iterator[Callable[[Any], Callable[..., Any]]]:
    """A browser -> a function that opens a page, the home page unless a path is given.

    Each in a fresh context with the options given. Afterwards no console error, no policy violation
    and no request to another host may be left.
    """
    contexts: list[Any] = []

    def opens(browser: Any) -> Callable[..., Any]:
        def open_(path: str = "/", **options: Any) -> Any:
            context = browser.new_context(**options)
            contexts.append(context)
            context.add_init_script(_TELL_VIOLATIONS)
            page = context.new_page()
            watch.over(page)
            page.goto(live.url + path)
            return page

        return open_

    yield opens
    for context in contexts:
        context.close()
    assert watch.unexpected() == []
    assert watch.strangers == []


@pytest.fixture
def open_page(chromium: Any, opener: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    """Open a page as `opener` says, in the browser of all tests."""
    return opener(chromium)


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """The home page in a window of ordinary size."""
    return open_page(viewport={"width": 1280, "height": 900})


@pytest.fixture(scope="session")
def accessible() -> Callable[[Any], None]:
    """Fail when axe-core finds a serious or critical problem on the page as it is now."""
    axe = Axe()

    def check(page: Any) -> None:
        # Transitions under way have colours that nobody chose.
        page.evaluate("() => Promise.allSettled(document.getAnimations().map((a) => a.finished))")
        violations = axe.run(page).response["violations"]
        serious = [each for each in violations if each["impact"] in ("serious", "critical")]
        sentences = [
            f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes'][:5]]}"
            for each in serious
        ]
        assert sentences == []

    return check
