"""Many sessions that belong together: a directory beside theirs.

    session/b-YYYYMMDD-<40 hex>/
        batch.json      kind, parameters and key; never changes
        items.jsonl     a line for each photo, also for refused ones, and one that says "closed"

A photo's session is made first and its line written after; both are on stable storage before the
client gets an answer. A crash between the two leaves a session that no client knows: it gets its
verdict and is removed at its age, as any other. Whoever writes lines holds the directory's lock,
and so does the cleaner. A line that a crash cut short is skipped, and the next one begins anew.
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
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from scai.errors import NotFound
from scai.storage import rising
from scai.storage.disk import Disk
from scai.storage.json_files import decode, read_record, seal, to_bytes
from scai.storage.locks import folder_lock
from scai.storage.open_plain import NOT_THERE, NotPlain, open_plain
from scai.storage.rights import new_folder
from scai.storage.session import NAME as SESSION
from scai.storage.session import new_name

NAME = re.compile(r"b-[0-9]{8}-[0-9a-f]{40}")

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
        """Make a batch on stable storage, open and empty; on OSError nothing is left.

        `expected` is how many photos its client means to add; 0 if it does not say.
        """
        moment = time.time() if now is None else now
        batch = cls(root, f"b{new_name(rising.next_time(root, moment))[1:]}", disk=disk)
        head = {
            "kind": kind,
            "key": secrets.token_hex(20),
            "created": round(moment, 3),
            "expected": expected,
            **params,
        }
        making = root / f".new-{batch.name}"
        try:
            os.close(new_folder(making))
            batch._disk.write_all(
                {os.path.join(making, _HEAD): seal(head), os.path.join(making, _ITEMS): b""}
            )
            batch._disk.sync_directory(making)
            os.rename(making, batch.path)
            batch._disk.sync_directory(root)
        except OSError:
            for path in (making, batch.path):
                shutil.rmtree(path, ignore_errors=True)
            raise
        return batch

    def head(self) -> dict[str, Any]:
        """The content of batch.json. Raises NotFound when there is no such batch."""
        if os.path.islink(self.path):
            raise NotFound(_NO_BATCH)
        try:
            return read_record(f"{os.fspath(self.path)}/{_HEAD}")
        except NotFound:
            raise NotFound(_NO_BATCH) from None

    def head_for(self, key: str) -> dict[str, Any]:
        """The head, if `key` is the key of this batch; else NotFound is raised."""
        head = self.head()
        own = head.get("key")
        if not isinstance(own, str) or not own:
            raise NotFound(_NO_BATCH)
        if not hmac.compare_digest(to_bytes(own), to_bytes(key)):
            raise NotFound(_NO_BATCH)
        return head

    def lock(self, patience: float = _PATIENCE) -> AbstractContextManager[bool]:
        """Hold the batch's lock during the block: True, or False when another process has it.

        `patience` is how many seconds to wait for the other. Raises NotFound.
        """
        return folder_lock(self.path, patience, _NO_BATCH)

    def append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines; on return they are on stable storage.

        The caller holds the lock. On OSError the file is as before.
        """
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        path = self.path / _ITEMS
        with self._open_list() as file:
            cut_short = file.seek(0, 2) > 0 and file.seek(-1, 2) >= 0 and file.read(1) != b"\n"
        self._disk.append(path, to_bytes(f"\n{text}" if cut_short else text))

    def lines(self, start: int) -> tuple[list[dict[str, Any]], int]:
        """The whole lines from byte `start` on, and the byte where the next one will begin.

        For a file that is shorter than `start`, that byte lies before `start`. Raises NotFound.
        """
        with self._open_list() as file:
            size = file.seek(0, 2)
            if size < start:
                return [], size
            if size - start > _MAX_LIST:
                raise NotFound(_NO_BATCH)
            file.seek(start)
            data = file.read(size - start)
        data = data[: data.rfind(b"\n") + 1]
        return [line for line in map(_line, data.split(b"\n")) if line], start + len(data)

    def _open_list(self) -> IO[bytes]:
        """Open items.jsonl. Raises NotFound where there is none, or no plain file."""
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

    def is_deserted(self) -> bool:
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
    """The object of a line; None for a line that is not of our form."""
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
