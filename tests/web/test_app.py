"""The application as a whole: headers, health, and what it must not load."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

from flask import Flask, url_for
from support.helpers import wait_until
from support.inprocess import Site
from support.kinds import IC, KINDS

from scai import settings
from scai.settings import ROOT
from scai.storage.clocks import boot_time
from scai.web.static_files import serve_statics


def test_every_answer_carries_the_security_headers(site: Site) -> None:
    for path in ("/", IC.upload, IC.result, "/healthz", "/nothing"):
        headers = site.http.get(path, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_the_pages_files_may_be_kept_until_their_content_changes(site: Site) -> None:
    page = site.http.get("/")
    assert page.headers["Cache-Control"] == "no-cache"
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert len(files) > 3
    for path in files:
        with site.http.get(path) as got:
            content = got.data
            assert got.status_code == 200
            assert "immutable" in got.headers["Cache-Control"]
        conditions = {"If-None-Match": got.headers["ETag"]}
        with site.http.get(path, headers=conditions) as again:
            assert (again.status_code, again.data) == (304, b"")
        plain = re.sub(r"/v-[0-9a-f]{12}/", "/", path)
        other = re.sub(r"/v-[0-9a-f]{12}/", "/v-0123456789ab/", path)
        for unsure in (plain, other):
            with site.http.get(unsure) as asked:
                assert (asked.status_code, asked.data) == (200, content)
                assert asked.headers["Cache-Control"] == "no-cache"


def test_text_goes_packed_to_those_who_take_it(site: Site) -> None:
    plain = site.http.get("/static/scai.css", buffered=True)
    packed = site.http.get("/static/scai.css", headers={"Accept-Encoding": "br, gzip"})
    assert (plain.headers.get("Content-Encoding"), plain.headers["Vary"]) == (
        None,
        "Accept-Encoding",
    )
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Type"] == plain.headers["Content-Type"]
    assert len(packed.data) < len(plain.data) / 2
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    conditions = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert site.http.get("/static/scai.css", headers=conditions).status_code == 304


def test_the_mark_of_the_files_changes_with_their_content(tmp_path: Path) -> None:
    addresses = set()
    for content in ("a", "b"):
        (tmp_path / "x.css").write_text(content)
        app = Flask("test", static_folder=None)
        serve_statics(app, tmp_path)
        with app.test_request_context():
            addresses.add(url_for("static", filename="x.css"))
    assert len(addresses) == 2


def test_behind_a_proxy_that_speaks_https_addresses_and_cookies_do_too(site: Site) -> None:
    plain = site.http.get("/history?lang=en")
    assert "Secure" not in "".join(plain.headers.getlist("Set-Cookie"))
    behind = {"X-Forwarded-Proto": "https"}
    page = site.http.get("/docs?lang=en", headers=behind)
    cookies = page.headers.getlist("Set-Cookie")
    assert cookies and all("Secure" in cookie for cookie in cookies)
    assert "https://localhost/imageclassification" in page.text
    assert "http://localhost" not in page.text


def test_health(site: Site) -> None:
    assert site.http.get("/healthz").get_json() == {"status": "ok"}
    ready = site.http.get("/readyz")
    assert (ready.status_code, ready.get_json()["disk_writable"]) == (503, True)
    assert ready.get_json()["reasons"] == [f"{kind.name}: no worker is running" for kind in KINDS]
    for kind, queue in site.queues.items():
        queue.announce(kind=kind, warm=True, recognised=boot_time())
    wait_until(lambda: site.http.get("/readyz").status_code == 200, what="a newer look")
    assert site.http.get("/version").get_json()["version"]


def test_the_portal_loads_no_model_library(tmp_path: Path) -> None:
    """Whatever it is asked for, the portal leaves these out of its process."""
    visitor = ROOT / "tests" / "support" / "visitor.py"
    heavy = "tensorflow openvino ai_edge_litert onnxruntime cv2 keras numpy matplotlib".split()
    # pathlib is loaded: were nothing ever found, this test could not fail.
    command = [sys.executable, str(visitor), str(tmp_path), *heavy, "pathlib"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["pathlib"], done.stderr


def test_settings_defaults_are_the_contracts() -> None:
    found = settings.load({}, {}, None)
    assert (found.host, found.port, found.runningmode) == ("127.0.0.1", 5000, "runtime")
    assert found.max_upload_bytes == 20_000_000 and found.max_pixels == 50_000_000
