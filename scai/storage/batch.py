"""Many sessions that belong together: a directory beside theirs.

    session/b-YYYYMMDD-<40 hex>/
        batch.json      kind, parameters and key; never changes
        items.jsonl     a line for each photo taken or refused, and one that says "closed"

A photo's session is made first and its line written after, both on stable storage before anybody
is told. A crash between the two leaves a session that nobody was told of: it gets its verdict and
goes by its age, as any other. Whoever writes lines holds the directory's flock, and so does the
cleaner. A line that a crash cut short is skipped, and the next one begins anew.
Nobody but this file knows these names.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from scai.errors import NotFound
from scai.storage.disk import Disk
from scai.storage.json_files import decode, read_object, to_bytes, to_json
from scai.storage.locks import folder_lock
from scai.storage.open_plain import NOT_THERE, NotPlain, open_plain
from scai.storage.session import NAME as SESSION
from scai.storage.session import new_name

NAME = re.compile(r"b-\d{8}-[0-9a-f]{40}")

_HEAD = "batch.json"
_ITEMS = "items.jsonl"
_NO_BATCH = "no available batch or key"
# How long a client waits for another that adds to the same batch, in seconds.
_PATIENCE = 5.0
# Far above any list of ours, in bytes; a foreign program might write anything.
_MAX_LIST = 200_000_000


class Batch:
    """The batch called `name` below `root`; it need not exist yet.

    Raises NotFound for a name of another form, before the disk is touched.
    """

    def __init__(self, root: Path, name: str, *, disk: Disk | None = None) -> None:
        if not NAME.fullmatch(name):
            raise NotFound(_NO_BATCH)
        self.name = name
        self.root = root
        self.path = root / name
        self._disk = disk or Disk()

    @classmethod
    def create(
        cls,
        root: Path,
        kind: str,
        params: Mapping[str, str | float],
        *,
        expected: int = 0,
        now: float | None = None,
        disk: Disk | None = None,
    ) -> Batch:
        """A new batch on stable storage, open and empty; errors of the disk leave nothing.

        `expected` is how many photos its client means to add; 0: it does not say.
        """
        moment = time.time() if now is None else now
        batch = cls(root, f"b{new_name(moment)[1:]}", disk=disk)
        head = {
            "kind": kind,
            "key": secrets.token_hex(20),
            "created": round(moment, 3),
            "expected": expected,
            **params,
        }
        making = root / f".new-{batch.name}"
        try:
            making.mkdir(mode=0o750)
            batch._disk.write_all(
                {os.path.join(making, _HEAD): to_json(head), os.path.join(making, _ITEMS): b""}
            )
            batch._disk.sync_directory(making)
            os.rename(making, batch.path)
            batch._disk.sync_directory(root)
        except OSError:
            for left in (making, batch.path):
                shutil.rmtree(left, ignore_errors=True)
            raise
        return batch

    def head(self) -> dict[str, Any]:
        """What batch.json says. Raises NotFound when there is no such batch."""
        if os.path.islink(self.path):
            raise NotFound(_NO_BATCH)
        try:
            return read_object(f"{os.fspath(self.path)}/{_HEAD}")
        except NotFound:
            raise NotFound(_NO_BATCH) from None

    def opened_with(self, key: str) -> dict[str, Any]:
        """Its head, if `key` is its key. Raises NotFound."""
        head = self.head()
        own = head.get("key")
        if not isinstance(own, str) or not own:
            raise NotFound(_NO_BATCH)
        if not hmac.compare_digest(to_bytes(own), to_bytes(key)):
            raise NotFound(_NO_BATCH)
        return head

    @contextmanager
    def lock(self, patience: float | None = None) -> Iterator[bool]:
        """True while this batch is ours to change, False when somebody else has it.

        `patience` is how long, in seconds, it waits for somebody else to be done.
        """
        with folder_lock(self.path, _PATIENCE if patience is None else patience, _NO_BATCH) as ours:
            yield ours

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write lines behind the others; on return they are on stable storage.

        The caller holds the lock. OSError leaves the file as it was.
        """
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        path = self.path / _ITEMS
        with self._listed() as file:
            cut_short = file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        self._disk.append(path, to_bytes(f"\n{text}" if cut_short else text))

    def lines(self, start: int) -> tuple[list[dict[str, Any]], int]:
        """The whole lines from byte `start` on, and where the next one will begin.

        A file that is shorter than `start` gives a place before it. Raises NotFound.
        """
        with self._listed() as file:
            size = file.seek(0, 2)
            if size < start:
                return [], size
            if size - start > _MAX_LIST:
                raise NotFound(_NO_BATCH)
            file.seek(start)
            data = file.read(size - start)
        data = data[: data.rfind(b"\n") + 1]
        return [line for line in map(_line, data.split(b"\n")) if line], start + len(data)

    def _listed(self) -> IO[bytes]:
        """The open list. Raises NotFound where there is none, or no plain file."""
        try:
            return open_plain(self.path / _ITEMS)
        except NotPlain:
            raise NotFound(_NO_BATCH) from None
        except OSError as error:
            if error.errno in NOT_THERE:
                raise NotFound(_NO_BATCH) from None
            raise

    def age(self, now: float) -> float:
        """Seconds since anything was added. Raises NotFound."""
        try:
            changed = max(os.lstat(p).st_mtime for p in (self.path, self.path / _ITEMS))
        except FileNotFoundError:
            raise NotFound(_NO_BATCH) from None
        return now - changed

    def deserted(self) -> bool:
        """Whether none of its sessions is left."""
        lines, _ = self.lines(0)
        return not any(
            os.path.lexists(self.root / line["task"]) for line in lines if is_photo(line)
        )

    def remove(self) -> None:
        """Remove the directory, but no session. Links are removed, never followed."""
        going = self.root / f".gone-{self.name}"
        os.rename(self.path, going)
        shutil.rmtree(going)


def is_photo(line: Mapping[str, Any]) -> bool:
    """Whether a line is that of a photo with a session, not of a refusal or of the end."""
    return "task" in line


def _line(data: bytes) -> dict[str, Any] | None:
    """A line as an object; None for one that is none of ours."""
    try:
        line = decode(data.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict):
        return None
    if "closed" in line:
        return line
    # Anybody who may write into the folder may have written this.
    texts = ("name", "task", "key") if "task" in line else ("name", "error")
    if not all(isinstance(line.get(key), str) for key in texts):
        return None
    return line if SESSION.fullmatch(line.get("task", "")) or "task" not in line else None
