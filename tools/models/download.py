"""Download one file over http(s): resume broken transfers, and hand out only complete files.

Bytes arrive in <folder>/<key>.part; <key>.json beside it holds the validator of the remote file. A
part is resumed only if the server confirms by If-Range that the file is unchanged. Only `fetch`
reads these files, so a part is never mistaken for the file.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests

from scai.errors import ScaiError
from scai.storage.locks import flock
from tools.models.files import sha256_of
from tools.models.transfer import (
    REDIRECTS,
    FileRequest,
    Progress,
    StalePart,
    TransferBroken,
    discard,
    size,
    state_file,
    transfer,
)

FOLDER = Path(".cache/downloads")
ATTEMPTS = 4


def _silent(done: int, total: int | None) -> None:
    pass


@contextmanager
def fetch(
    request: FileRequest,
    folder: Path = FOLDER,
    progress: Progress = _silent,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Path]:
    """Download a file and verify it; it exists for as long as the block runs.

    A broken transfer is retried; its part stays for a later call. Raises ScaiError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{hashlib.sha256(request.url.encode()).hexdigest()[:24]}.part"
    with part.open("ab") as file, requests.Session() as http:
        _lock(file, request)
        http.max_redirects = REDIRECTS
        try:
            _transfer_with_retries(http, request, part, file, progress, sleep)
        except ScaiError:
            if not size(file):
                _remove(part)
            raise
        try:
            _verify(request, part)
            yield part
        finally:
            _remove(part)


def _transfer_with_retries(
    http: requests.Session,
    request: FileRequest,
    part: Path,
    file: IO[bytes],
    progress: Progress,
    sleep: Callable[[float], None],
) -> None:
    """Retry until the file is complete. Raises ScaiError after the last attempt."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return transfer(http, request, part, file, progress)
        except StalePart:
            discard(part, file)
        except TransferBroken as error:
            if attempt < ATTEMPTS:
                sleep(0.5 * attempt)
            elif have := size(file):
                raise ScaiError(
                    f"{request.public_url}: the transfer broke off after {have} bytes ({error}); "
                    "run the same command again to resume it"
                ) from error
            else:
                raise ScaiError(f"{request.public_url}: cannot be fetched: {error}") from error
    raise ScaiError(f"{request.public_url}: the server keeps sending other parts than requested")


def _lock(file: IO[bytes], request: FileRequest) -> None:
    # The previous owner may have removed the file between our open and our lock.
    if not flock(file.fileno()) or not os.fstat(file.fileno()).st_nlink:
        raise ScaiError(f"{request.public_url}: another command is downloading it")


def _verify(request: FileRequest, part: Path) -> None:
    got = part.stat().st_size
    if request.size is not None and got != request.size:
        raise ScaiError(f"{request.public_url}: expected {request.size} bytes, got {got}")
    if request.sha256 and (digest := sha256_of(part)) != request.sha256:
        raise ScaiError(f"{request.public_url}: expected sha256 {request.sha256}, got {digest}")


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    state_file(part).unlink(missing_ok=True)
