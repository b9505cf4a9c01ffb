"""Fetches one file over http(s): resumes what broke off, and hands out only what is whole.

Bytes arrive in <folder>/<key>.part; <key>.json beside it says what they are a part of. A part is
continued only while the server says, by If-Range, that its file is still the same one. Nothing but
`fetch` reads these files, so that a part is never taken for the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import requests

from scai.errors import ScaiError
from tools.models.files import sha256_of
from tools.models.transfer import (
    REDIRECTS,
    BrokeOff,
    Progress,
    StartAgain,
    Wanted,
    facts,
    forget,
    size,
    transfer,
)

FOLDER = Path(".cache/downloads")
ATTEMPTS = 4


def _silent(done: int, total: int | None) -> None:
    pass


@contextmanager
def fetch(
    wanted: Wanted,
    folder: Path = FOLDER,
    progress: Progress = _silent,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Path]:
    """The file, whole and verified, for as long as the block runs.

    A broken transfer is tried again, and what came of it stays for a later call. Raises ScaiError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{hashlib.sha256(wanted.url.encode()).hexdigest()[:24]}.part"
    with part.open("ab") as file, requests.Session() as http:
        _lock(file, wanted)
        http.max_redirects = REDIRECTS
        try:
            _insist(http, wanted, part, file, progress, sleep)
        except ScaiError:
            if not size(file):
                _remove(part)
            raise
        try:
            _verify(wanted, part)
            yield part
        finally:
            _remove(part)


def _insist(
    http: requests.Session,
    wanted: Wanted,
    part: Path,
    file: IO[bytes],
    progress: Progress,
    sleep: Callable[[float], None],
) -> None:
    """Try until all is here. Raises ScaiError when that will not be soon."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return transfer(http, wanted, part, file, progress)
        except StartAgain:
            forget(part, file)
        except BrokeOff as error:
            if attempt < ATTEMPTS:
                sleep(0.5 * attempt)
            elif have := size(file):
                raise ScaiError(
                    f"{wanted.shown}: the transfer broke off after {have} bytes ({error}); "
                    "the same command continues it"
                ) from error
            else:
                raise ScaiError(f"{wanted.shown}: cannot be fetched: {error}") from error
    raise ScaiError(f"{wanted.shown}: the server keeps sending other parts than asked for")


def _lock(file: IO[bytes], wanted: Wanted) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The one that had it before may have removed the file between our open and our lock.
        gone = not os.fstat(file.fileno()).st_nlink
    except BlockingIOError:
        gone = True
    if gone:
        raise ScaiError(f"{wanted.shown}: another command is fetching it just now")


def _verify(wanted: Wanted, part: Path) -> None:
    got = part.stat().st_size
    if wanted.size is not None and got != wanted.size:
        raise ScaiError(f"{wanted.shown}: expected {wanted.size} bytes, got {got}")
    if wanted.sha256 and (digest := sha256_of(part)) != wanted.sha256:
        raise ScaiError(f"{wanted.shown}: expected sha256 {wanted.sha256}, got {digest}")


def _remove(part: Path) -> None:
    part.unlink(missing_ok=True)
    facts(part).unlink(missing_ok=True)
