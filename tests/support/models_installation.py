"""An installation to put models into, and a web server to fetch them from."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scai.settings import ROOT
from tools.models import download
from tools.models.command import main

BODY = bytes(range(256)) * 1200
LABELS = b"cat\ndog\n"
CLASSIFIERS = Path("usr/image_classification.config")
DETECTORS = Path("usr/object_detection.config")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Site:
    """A web server of this test. `files` by path; `asked` holds the Range of each request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    sizes: bool = True
    etag: str = '"one"'
    cuts: int = 0  # so many answers break off in the middle


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site, wish = self.site, self.headers.get("Range", "")
        site.requests.append((self.path, wish))
        self.close_connection = True
        if self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()
            return
        data = site.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = 0
        if wish and site.ranges and self.headers.get("If-Range") == site.etag:
            start = int(wish.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if site.sizes:
            self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", site.etag)
        self.send_header("Connection", "close")
        self.end_headers()
        body = data[start:]
        if site.cuts > 0:
            site.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": site}))
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


Scai = Callable[..., Result]


@pytest.fixture
def scai(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scai:
    """The command, in a folder with the ini files as they ship."""
    (tmp_path / "usr/models").mkdir(parents=True)
    for name in (CLASSIFIERS, DETECTORS):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "net.tflite").write_bytes(BODY)
    (tmp_path / "names.txt").write_bytes(LABELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("ICCONFIG", "ODCONFIG", "CONFIG", "USEDCONFIG"):
        monkeypatch.delenv(f"SCAI_{name}", raising=False)
    return lambda *words, **more: CliRunner().invoke(main, [str(word) for word in words], **more)


FAKE = ("--set", "ENGINE=fake")
FILES = ("--graph", "net.tflite", "--labels", "names.txt")
CLASSIFY = ("--kind", "classification")


def snapshot() -> dict[str, bytes]:
    """Every file below usr/ and .cache/, hidden ones too."""
    return {
        str(path): path.read_bytes()
        for root in (Path("usr"), Path(".cache"))
        for path in root.rglob("*")
        if path.is_file()
    }


def expect_refusal(result: Result, *words: str) -> None:
    """Exit status 2 and one sentence that has these words."""
    assert result.exit_code == 2, result.output
    assert [
        line[:7] for line in result.stderr.splitlines() if not line.endswith(" downloaded")
    ] == ["Error: "]
    for word in words:
        assert word in result.stderr


def done(result: Result) -> Result:
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def pull(scai: Scai, site: Site, *more: object) -> Result:
    return scai(
        *("pull", f"{site.url}/net.tflite", *CLASSIFY, "--labels", f"{site.url}/names.txt"),
        *("--name", "pets", *FAKE, *more),
    )


@pytest.fixture
def pets(site: Site) -> Site:
    site.files |= {"/net.tflite": BODY, "/names.txt": LABELS}
    return site


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 1)


def parts() -> list[str]:
    folder = Path(".cache/downloads")
    return sorted(path.suffix for path in folder.iterdir()) if folder.exists() else []


def resumed(site: Site) -> bool:
    """Whether the second request went on where the first broke off, or a buffer before."""
    path, wish = site.requests[1]
    start = int(wish.removeprefix("bytes=").removesuffix("-") or 0)
    return path == "/net.tflite" and 0 < start <= len(BODY) // 2
