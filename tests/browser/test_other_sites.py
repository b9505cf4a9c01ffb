"""What a real browser tells of where a request comes from, and what the portal makes of it.

Over plain HTTP to a name, browsers do not say `Sec-Fetch-Site`; only `Origin` and `Host` count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.helpers import picture
from support.lone_portal import LonePortal, lone_portal

pytestmark = [pytest.mark.slow, pytest.mark.browser]

# A page of a stranger, which sends a form and then a request by its script.
EVIL_PAGE = b"""<!doctype html><title>evil</title>
<form method="post" action="%s/batches" enctype="multipart/form-data">
  <input name="kind" value="image_classification"><button>win</button></form>"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LonePortal]:
    """A portal that is known as photos.lan."""
    folder = tmp_path_factory.mktemp("portal")
    settings = {"SCAI_TRUSTED_HOSTS": "photos.lan"}
    with lone_portal(folder, **settings) as portal:
        yield portal


@pytest.fixture(scope="module")
def stranger(portal: LonePortal) -> Iterator[int]:
    """A site of somebody else on this machine: its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(EVIL_PAGE % f"http://photos.lan:{portal.port}".encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_at(launch: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Open an address in a browser for which every name is this machine."""
    browser = launch("--host-resolver-rules=MAP * 127.0.0.1")

    def open_(address: str, **options: Any) -> Any:
        page = browser.new_context(**options).new_page()
        page.goto(address)
        return page

    yield open_
    browser.close()


def test_a_form_of_ours_is_known_as_ours_by_name_and_without_scripts(
    portal: LonePortal, open_at: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    page = open_at(f"http://photos.lan:{portal.port}/batch", java_script_enabled=False)
    sent: list[dict[str, str]] = []
    page.on("request", lambda one: one.method == "POST" and sent.append(one.all_headers()))
    page.set_input_files("input[name=photo] >> nth=0", tmp_path / "a.jpg")
    page.locator("form[action] button").first.click()
    page.wait_for_url("**/batch?id=*")
    assert "sec-fetch-site" not in sent[0]
    assert sent[0]["origin"] == f"http://photos.lan:{portal.port}"
    assert len(list(portal.sessions.glob("d-*"))) == 1


def test_a_form_of_a_stranger_changes_nothing(
    portal: LonePortal, open_at: Callable[..., Any], stranger: int
) -> None:
    before = set(portal.sessions.iterdir())
    page = open_at(f"http://evil.lan:{stranger}/")
    with page.expect_response("**/batches") as answer:
        page.get_by_text("win").click()
    assert answer.value.status == 403
    assert set(portal.sessions.iterdir()) == before


def test_a_script_of_a_stranger_sends_and_reads_nothing(
    portal: LonePortal, open_at: Callable[..., Any], stranger: int
) -> None:
    before = set(portal.sessions.iterdir())
    page = open_at(f"http://evil.lan:{stranger}/")
    ask = "([url, how]) => fetch(url, how).then((a) => a.text(), (e) => 'refused by the browser')"
    for base in (f"http://photos.lan:{portal.port}", portal.url):
        assert page.evaluate(ask, [f"{base}/status.json", {}]) == "refused by the browser"
        upload = [f"{base}/imageclassification", {"method": "POST", "body": "x"}]
        assert page.evaluate(ask, upload) == "refused by the browser"
        # What a page may send without asking first: the answer cannot be read, and nothing is done.
        page.evaluate(
            ask,
            [f"{base}/batches?kind=image_classification", {"method": "POST", "mode": "no-cors"}],
        )
    assert set(portal.sessions.iterdir()) == before


def test_a_rebound_name_reads_nothing(portal: LonePortal, open_at: Callable[..., Any]) -> None:
    page = open_at(f"http://evil.lan:{portal.port}/status.json")
    # The page says what to do, and nothing of the status.
    assert "trusted_hosts" in page.content() and "uptime_s" not in page.content()
    read = "() => fetch('/status.json').then((answer) => answer.status)"
    assert page.evaluate(read) == 421
