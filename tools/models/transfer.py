"""One HTTP request for a file, or for the rest of it, appended to the part on disk.

Raises ScaiError where another attempt would not help, and two errors of its own.
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
MAX_BYTES = 8_000_000_000
_CHUNK = 1 << 16
# Errors after which another attempt may succeed.
_BROKEN = (
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
)

# Called with the bytes on disk and the bytes in all, None if unknown.
Progress = Callable[[int, int | None], None]


class StalePart(Exception):
    """The part on disk does not belong to the remote file as it is now."""


class TransferBroken(Exception):
    """The transfer ended before the file was complete; another attempt may succeed."""


@dataclass(frozen=True)
class FileRequest:
    """A file to download; `sha256` "" and `size` None: unknown. `max_bytes`: limit on its size."""

    url: str
    sha256: str = ""
    size: int | None = None
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"expected an http or https address, got {self.public_url!r}")

    @property
    def public_url(self) -> str:
        """The URL without its secrets: password and query."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))


def transfer(
    http: requests.Session, request: FileRequest, part: Path, file: IO[bytes], progress: Progress
) -> None:
    """Request the missing bytes and append them. Raises TransferBroken, StalePart, ScaiError."""
    have, validator = size(file), _validator(part)
    headers = {"Accept-Encoding": "identity"}
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    elif have:
        discard(part, file)
    try:
        with http.get(request.url, headers=headers, stream=True, timeout=TIME_LIMITS) as answer:
            total = _begin(answer, request, part, file)
            _receive(answer, request, file, total, progress)
    except requests.exceptions.TooManyRedirects:
        raise ScaiError(
            f"{request.public_url}: expected at most {REDIRECTS} redirects, got more"
        ) from (None)
    except _BROKEN as error:
        raise TransferBroken(_reason(error)) from error
    except (requests.exceptions.RequestException, ValueError) as error:
        raise ScaiError(f"{request.public_url}: cannot be fetched: {_reason(error)}") from error


def _begin(
    answer: requests.Response, request: FileRequest, part: Path, file: IO[bytes]
) -> int | None:
    """Check the headers of an answer and prepare the part for its body; returns the file's size."""
    have = size(file)
    if answer.status_code == 416:
        raise StalePart
    if answer.status_code in (429, 502, 503, 504):
        raise TransferBroken(f"the server answered {answer.status_code} {answer.reason}")
    if answer.status_code not in (200, 206):
        raise ScaiError(
            f"{request.public_url}: expected the file, got {answer.status_code} {answer.reason}"
        )
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise ScaiError(f"{request.public_url}: expected the file unencoded, got it encoded")
    if answer.status_code == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if not span or int(span[1]) != have:
            raise StalePart
        total: int | None = int(span[2])
    else:
        discard(part, file)
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        etag, changed = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
        # A weak ETag does not promise the same bytes.
        validator = changed if not etag or etag.startswith("W/") else etag
        state_file(part).write_text(json.dumps({"validator": validator}))
    _check_size(request, total, answer)
    return total


def _check_size(request: FileRequest, total: int | None, answer: requests.Response) -> None:
    """Refuse a wrong size before the transfer. Raises ScaiError."""
    if total is None:
        chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        if not chunked and not request.sha256:
            raise ScaiError(
                f"{request.public_url}: the server does not state the size, so nobody can tell a "
                "complete file; give its digest with --sha256"
            )
    elif request.size is not None and total != request.size:
        raise ScaiError(
            f"{request.public_url}: expected {request.size} bytes, got a file of {total}"
        )
    elif total > request.max_bytes:
        raise ScaiError(
            f"{request.public_url}: expected at most {request.max_bytes} bytes, got {total}"
        )


def _receive(
    answer: requests.Response,
    request: FileRequest,
    file: IO[bytes],
    total: int | None,
    progress: Progress,
) -> None:
    have = size(file)
    for chunk in answer.iter_content(_CHUNK):
        have += len(chunk)
        if have > (request.max_bytes if total is None else total):
            _truncate(file)
            raise ScaiError(
                f"{request.public_url}: expected {total or request.max_bytes} bytes, got more"
            )
        file.write(chunk)
        progress(have, total)
    file.flush()
    if total is not None and have < total:
        raise TransferBroken(f"expected {total} bytes")


def size(file: IO[bytes]) -> int:
    """Return the bytes on disk, and seek to the end of the file."""
    file.flush()
    return file.seek(0, 2)


def _truncate(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def discard(part: Path, file: IO[bytes]) -> None:
    """Discard the part, so that the transfer starts from the beginning."""
    _truncate(file)
    state_file(part).unlink(missing_ok=True)


def state_file(part: Path) -> Path:
    """Return the path of the file that holds the validator of a part."""
    return part.with_suffix(".json")


def _validator(part: Path) -> str:
    try:
        state: Any = json.loads(state_file(part).read_text())
        return str(state["validator"])
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
