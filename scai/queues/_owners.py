"""Who works on a queue: each process holds a lock that the kernel lets go when it dies.

`pooling/<kind>/.owners/<id>.lock` is flocked for the life of the process; `<id>.json` beside it
says who it is, for people and for `scai status`. A lock that can be had belongs to a dead owner.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scai.storage.disk import Disk

FOLDER = ".owners"
_disk = Disk("off")
log = logging.getLogger(__name__)


class Owner:
    """This process as the owner of claims. `id` has no '@', no '+' and no '/'."""

    def __init__(self, pool: Path) -> None:
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname().partition(".")[0])
        self.id = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._folder = pool / FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._facts: dict[str, Any] = {"pid": os.getpid(), "started": round(time.time(), 3)}
        self._descriptor = self._lock()

    def _lock(self) -> int:
        # The lock is taken before the file gets its name: nobody ever finds it unlocked.
        temporary = self._folder / f".{self.id}.new"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(temporary, self._folder / f"{self.id}.lock")
        return descriptor

    def tell(self, **facts: Any) -> None:
        """Publish facts about this worker, such as its model or that it is warm."""
        self._facts.update(facts)
        text = json.dumps(self._facts, ensure_ascii=False)
        _disk.publish(self._folder / f"{self.id}.json", text.encode(), durable=False)

    def close(self) -> None:
        """Let go of the lock; call it when no claim is left."""
        if self._descriptor >= 0:
            (self._folder / f"{self.id}.json").unlink(missing_ok=True)
            (self._folder / f"{self.id}.lock").unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def living(pool: Path) -> list[dict[str, Any]]:
    """What each living owner of the queue folder told of itself; `id` and `pid` among it."""
    found = []
    for lock in sorted((pool / FOLDER).glob("*.lock")):
        with _try_lock(lock, fcntl.LOCK_SH) as dead:
            if dead:
                continue
        try:
            facts = json.loads(lock.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        found.append({**facts, "id": lock.stem})
    return found


@contextmanager
def burial(pool: Path, owner: str) -> Iterator[bool]:
    """True when `owner` is dead, while we alone may dispose of what it left; else False.

    An owner without a lock file is dead too. Its files are removed when the block ends.
    """
    lock = pool / FOLDER / f"{owner}.lock"
    with _try_lock(lock, fcntl.LOCK_EX) as dead:
        yield dead
        if dead:
            for left in (lock.with_suffix(".json"), lock):
                with suppress(OSError):
                    left.unlink(missing_ok=True)


def known(pool: Path) -> set[str]:
    """The ids of all owners with a lock file, dead or alive."""
    try:
        return {n.removesuffix(".lock") for n in os.listdir(pool / FOLDER) if n.endswith(".lock")}
    except FileNotFoundError:
        return set()


@contextmanager
def _try_lock(lock: Path, how: int) -> Iterator[bool]:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    except OSError as error:
        # Somebody else's file, or no file: whoever it belongs to is not ours to bury.
        log.debug("%s: %s", lock, error.strerror)
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
