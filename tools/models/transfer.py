"""One request for a file or the rest of it, its bytes appended to what is here already.

Raises ScaiError for an answer that no other attempt would better, and two errors of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import requests

from scai.errors import ConfigError, ScaiError

# Seconds to wait for a connection, and for the next bytes.
TIME_LIMITS = (10, 30)
REDIRECTS = 5
LARGEST = 8_000_000_000
_CHUNK = 1 << 16
# What breaks a transfer in a way that another attempt may not meet.
_BROKEN = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
)

# Called with the bytes that are here and those that there will be, None if nobody knows.
Progress = Callable[[int, int | None], None]


class StartAgain(Exception):
    """The part here is not of the file there."""


class BrokeOff(Exception):
    """The connection ended early."""


@dataclass(frozen=True)
class Wanted:
    """A file to fetch: where, and what it must be, as far as that is known."""

    url: str
    sha256: str = ""
    size: int | None = None
    most: int = LARGEST

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"expected an http or https address, got {self.shown!r}")

    @property
    def shown(self) -> str:
        """The address without what may be secret in it: password and query."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))


def transfer(
    http: requests.Session, wanted: Wanted, part: Path, file: IO[bytes], progress: Progress
) -> None:
    """Ask for what is missing and append it. Raises BrokeOff, StartAgain, ScaiError."""
    have, validator = size(file), _validator(part)
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    elif have:
        forget(part, file)
    try:
        with http.get(wanted.url, headers=headers, stream=True, timeout=TIME_LIMITS) as answer:
            total = _begin(answer, wanted, part, file)
            _receive(answer, wanted, file, total, progress)
    except requests.exceptions.TooManyRedirects:
        raise ScaiError(f"{wanted.shown}: expected at most {REDIRECTS} redirects, got more") from (
            None
        )
    except _BROKEN as error:
        raise BrokeOff(_reason(error)) from error
    except (requests.exceptions.RequestException, ValueError) as error:
        raise ScaiError(f"{wanted.shown}: cannot be fetched: {_reason(error)}") from error


def _begin(answer: requests.Response, wanted: Wanted, part: Path, file: IO[bytes]) -> int | None:
    """Judge the head of an answer and make the part ready for its body; gives the whole size."""
    have = size(file)
    if answer.status_code == 416:
        raise StartAgain
    if answer.status_code in (429, 502, 503, 504):
        raise BrokeOff(f"the server answered {answer.status_code} {answer.reason}")
    if answer.status_code not in (200, 206):
        raise ScaiError(
            f"{wanted.shown}: expected the file, got {answer.status_code} {answer.reason}"
        )
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise ScaiError(f"{wanted.shown}: expected the file as it is, got it encoded")
    if answer.status_code == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if not span or int(span[1]) != have:
            raise StartAgain
        total: int | None = int(span[2])
    else:
        forget(part, file)
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        etag, changed = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
        # A weak ETag does not promise the same bytes.
        validator = changed if not etag or etag.startswith("W/") else etag
        facts(part).write_text(json.dumps({"validator": validator}))
    _check_size(wanted, total, answer)
    return total


def _check_size(wanted: Wanted, total: int | None, answer: requests.Response) -> None:
    """Refuse before the transfer what would be refused after it."""
    if total is None:
        chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        if not chunked and not wanted.sha256:
            raise ScaiError(
                f"{wanted.shown}: the server does not tell the size, so nobody could tell whether "
                "all came; give the digest with --sha256"
            )
    elif wanted.size is not None and total != wanted.size:
        raise ScaiError(f"{wanted.shown}: expected {wanted.size} bytes, got a file of {total}")
    elif total > wanted.most:
        raise ScaiError(f"{wanted.shown}: expected at most {wanted.most} bytes, got {total}")


def _receive(
    answer: requests.Response,
    wanted: Wanted,
    file: IO[bytes],
    total: int | None,
    progress: Progress,
) -> None:
    have = size(file)
    for chunk in answer.iter_content(_CHUNK):
        have += len(chunk)
        if have > (wanted.most if total is None else total):
            _truncate(file)
            raise ScaiError(f"{wanted.shown}: expected {total or wanted.most} bytes, got more")
        file.write(chunk)
        progress(have, total)
    file.flush()
    if total is not None and have < total:
        raise BrokeOff(f"expected {total} bytes")


def size(file: IO[bytes]) -> int:
    """Bytes that are here; what comes next is appended."""
    file.flush()
    return file.seek(0, 2)


def _truncate(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def forget(part: Path, file: IO[bytes]) -> None:
    """Begin again with nothing."""
    _truncate(file)
    facts(part).unlink(missing_ok=True)


def facts(part: Path) -> Path:
    """Where it is kept of which state of the remote file this is a part."""
    return part.with_suffix(".json")


def _validator(part: Path) -> str:
    try:
        told: Any = json.loads(facts(part).read_text())
        return str(told["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _reason(error: BaseException) -> str:
    """The innermost cause, in words: the library's own text is a nest of classes."""
    text = str(error)
    inner = re.search(r"(?:\[Errno -?\d+\] |IncompleteRead)([^'\")]*)", text)
    if isinstance(error, requests.exceptions.Timeout):
        return "the server took too long"
    if inner and "IncompleteRead" not in inner[0]:
        return inner[1]
    if isinstance(error, requests.exceptions.ChunkedEncodingError) or inner:
        return "the connection was closed"
    return " ".join(text.split())[:200]
