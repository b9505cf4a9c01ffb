"""One upload and all that belongs to it: a directory.

    session/d-YYYYMMDD-<40 hex>/
        input.<ext>     the picture as it was sent
        process.json    state, key and message; the original's seven keys and ours
        result.json     what was recognised, or why not; there from the moment of the verdict
        output.png      the annotated picture, for kinds that draw one
        result-1.json   the verdict of an earlier run, if a person let it run anew

States go initialization -> processing -> complete | failure, and a final state never changes.
Whoever changes a session holds its lock, for as long as one change takes. A run lasts from `start`
to the verdict and holds no lock meanwhile: its claim's token is in the record, and its claim is in
the queue. So the verdict of a worker that lost its claim is refused, and whoever removes a session
asks the queue, under the lock, whether somebody works on it.
Nobody but this file knows these names.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from scai.errors import BadSession, NotFound, ScaiError
from scai.storage import damaged, earlier, rising
from scai.storage.disk import Disk
from scai.storage.json_files import is_readable, read_record, seal, to_bytes
from scai.storage.locks import locked_folder, open_place
from scai.storage.removal import folder_age, folder_size, remove_folder, take_back
from scai.storage.rights import new_folder
from scai.storage.ticket import TicketQueue
from scai.storage.upload import Upload as Upload

NAME = re.compile(r"d-[0-9]{8}-[0-9a-f]{40}")
STATES = ("initialization", "processing", "complete", "failure")
FINAL = ("complete", "failure")

_RECORD = "process.json"
_RESULT = "result.json"
_PICTURE = "output.png"
# Seconds to wait for a lock that somebody else holds.
_PATIENCE = 0.02
_MAX_NAME = 255  # bytes in the name of any file
# Kept from clients: the key is a secret, the rest is of no use outside.
_PRIVATE = ("key", "input_image", "attempts", "claim", "worked")


def new_name(now: float) -> str:
    """A new session name for the time `now` (epoch seconds); names sort by arrival."""
    day = time.strftime("%Y%m%d", time.localtime(now))
    return f"d-{day}-{int(now * 1000):012x}{secrets.token_hex(14)}"


def arrival_time(name: str) -> float | None:
    """Epoch seconds when the session of that name was made; None for a foreign client's name."""
    at = int(name[11:23], 16) / 1000
    day = name[2:10]
    return at if at < 1e10 and time.strftime("%Y%m%d", time.localtime(at)) == day else None


class Session:
    """The session called `name` below `root`; it need not exist yet.

    Raises NotFound for a name that is not of the form d-YYYYMMDD-<40 hex>, before the disk is
    touched.
    """

    def __init__(self, root: Path, name: str, *, disk: Disk | None = None) -> None:
        if not NAME.fullmatch(name):
            raise NotFound("no such session")
        self.name = name
        self.path = root / name
        # Where its files are: under its lock, the locked directory, also if it has lost its name.
        self._place = self.path
        self._disk = disk or Disk()
        # The record that `create` wrote; nobody has to read it again to answer the client.
        self.first_record: dict[str, Any] = {}
        # Holds state and files of a verdict that clients may have seen and that may not be on the
        # disk; what is given under the lock shares it.
        self._unsettled: list[tuple[str, dict[str, bytes]]] = []

    def __repr__(self) -> str:
        return f"Session({self.name})"

    @classmethod
    def create(
        cls,
        root: Path,
        kind: str,
        upload: Upload,
        *,
        params: Mapping[str, str | float] | None = None,
        queue: TicketQueue | None = None,
        now: Callable[[], float] = time.time,
        disk: Disk | None = None,
    ) -> Session:
        """Put a new session on stable storage; it appears whole, by one rename of its directory.

        `queue` gets its ticket while the session's lock is held, so that no cleaner, however short
        its period, takes the session for abandoned. The ticket is flushed without the lock, beside
        the last flush of the session: a worker need not wait for the disk. When any of that fails
        with OSError, nothing is left.
        """
        moment = now()
        session = cls(root, new_name(rising.next_time(root, moment)), disk=disk)
        session.first_record = _first_record(kind, upload, moment, params or {})
        making = root / f".new-{session.name}"
        try:
            folder = new_folder(making, parents=True)
            try:
                # Nobody else knows this directory yet, so nobody holds the lock.
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                session._fill(making, folder, upload)
                session._disk.rename(making, session.path)
                ticket = None if queue is None else queue.place(session.name)
            finally:
                os.close(folder)
            flushes = [partial(session._disk.sync_directory, root)]
            if queue is not None and ticket is not None:
                flushes.append(partial(queue.flush, ticket))
            session._disk.together(*flushes)
        except OSError:
            take_back(making, session.path, lambda: queue is None or queue.withdraw(session.name))
            raise
        return session

    def _fill(self, making: Path, folder: int, upload: Upload) -> None:
        """Write picture and record into the directory that becomes the session, and flush all.

        `folder` is its descriptor.
        """
        picture = os.path.join(making, self.first_record["input_image"])
        files = {os.path.join(making, _RECORD): seal(self.first_record)}
        if upload.file is None:
            files[picture] = upload.data
            self._disk.write_all(files, also=[folder])
            return
        os.rename(upload.file, picture)
        moved = os.open(picture, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._disk.write_all(files, also=[folder, moved])
        finally:
            os.close(moved)

    def record(self) -> dict[str, Any]:
        """The content of process.json.

        Raises NotFound when there is no such session, BadSession when the file is not a JSON
        object. Errors of the disk pass through: the next call may succeed.
        """
        folder = os.fspath(self._place)
        if self._place is self.path and os.path.islink(folder):
            raise NotFound("no such session")
        return read_record(f"{folder}/{_RECORD}")

    @property
    def state(self) -> str:
        """One of STATES. Raises NotFound."""
        return str(self.record().get("state", "initialization"))

    def keyed_record(self, key: str, kind: str) -> dict[str, Any] | None:
        """The record if `key` is this session's key and `kind` its job; else None."""
        record = self.record()
        own = record.get("key")
        if not isinstance(own, str) or not own or record.get("job") != kind:
            return None
        # Bytes, because compare_digest refuses text that is not ASCII.
        return record if hmac.compare_digest(to_bytes(own), to_bytes(key)) else None

    @property
    def input_path(self) -> Path:
        """The picture as it was sent. Raises NotFound."""
        return self.input_of(self.record())

    def input_of(self, record: Mapping[str, Any]) -> Path:
        """The picture that this session's `record` names. Raises NotFound."""
        name = str(record.get("input_image", ""))
        path = self.path / name
        # A shell client names the file; it must be a name, and not lead out of its own directory.
        is_name = name and os.path.basename(name) == name and len(to_bytes(name)) <= _MAX_NAME
        if not is_name or path.is_symlink() or not path.is_file():
            raise NotFound("the session has no input image")
        return path

    @property
    def picture_path(self) -> Path | None:
        """The annotated picture, or None while there is none."""
        path = self.path / _PICTURE
        return path if path.is_file() and not path.is_symlink() else None

    def result(self, record: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The session as clients may see it: the record without its secrets, and the verdict.

        `record` is the session's, if the caller has just read it.
        """
        record = self.record() if record is None else record
        result = {key: value for key, value in record.items() if key not in _PRIVATE}
        return {**result, **self.verdict(record)}

    def verdict(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The verdict alone; {} without one. `record` is the session's."""
        if record.get("state") not in FINAL:
            return {}
        try:
            return read_record(f"{os.fspath(self.path)}/{_RESULT}")
        except NotFound:
            # The cleaner may have been here since the record was read.
            if not os.path.isdir(self.path):
                raise
            return {}
        except BadSession as error:
            return error.to_dict()

    def has_readable_result(self) -> bool:
        """Whether the file of its verdict can be read; True for a foreign worker's without one."""
        return is_readable(f"{os.fspath(self.path)}/{_RESULT}")

    @contextmanager
    def lock(self, patience: float = _PATIENCE) -> Iterator[Session | None]:
        """Hold the session's lock during the block: the session, or None if another has the lock.

        What is given reads and writes in the directory that is locked. If others replace that one
        meanwhile, because its holder had stopped (scai/storage/takeover.py), it changes nothing.
        `patience` is how many seconds to wait for the other: the portal has the session until just
        after its ticket is there. Raises NotFound when the directory does not exist; errors of the
        disk pass through.
        """
        with locked_folder(self.path, patience, "no such session") as folder:
            locked = None
            if folder is not None:
                locked = copy(self)
                locked._place = open_place(folder, self.path)
            yield locked

    def start(
        self, record: Mapping[str, Any] | None = None, now: float | None = None, *, claim: str = ""
    ) -> dict[str, Any]:
        """Count an attempt in the record before the run. The caller holds the lock.

        `record` is the session's, if the caller has read it under that lock; `claim` the token of
        the claim that runs it. Returns the new record. A final session is not changed.
        """
        record = dict(self.record() if record is None else record)
        if record.get("state") not in FINAL:
            record["state"] = "processing"
            record["message"] = f"AI recognition starts on {_clock(now)}."
            record["attempts"] = attempts(record) + 1
            record["claim"] = claim
            # Its bytes are flushed, though the count need not survive a power cut: an empty file
            # in the place of the record would lose the key and with it the job.
            self._disk.place(self._place / _RECORD, seal(record))
        return record

    def note_work(self, claim: str, seconds: float, *, interrupted: bool = False) -> bool:
        """Note in the record how long all runs of the job have worked. The caller holds the lock.

        `interrupted`: the run of the token `claim` ends without a death, and its attempt does not
        count. Returns False and changes nothing if that run is not the last, or has its verdict.
        """
        record = self.record()
        if record.get("state") in FINAL or record.get("claim") != claim:
            return False
        record["worked"] = round(seconds, 3)
        if interrupted:
            record["attempts"] = max(0, attempts(record) - 1)
        self._disk.place(self._place / _RECORD, seal(record))
        return True

    def complete(
        self,
        verdict: Mapping[str, Any],
        *,
        text: str = "",
        picture: bytes | None = None,
        record: Mapping[str, Any] | None = None,
        now: float | None = None,
    ) -> bool:
        """Publish the verdict: picture, result.json, then the record, whose rename is the commit.

        `text` is the original's `result` string; `record` the session's, if the caller has read it
        under the lock, which it holds. Returns False and changes nothing if the state was final
        already.
        """
        changes = {
            "result": text,
            "result_image": _PICTURE if picture is not None else "",
            "message": f"finished on {_clock(now)}",
        }
        return self._finish("complete", verdict, changes, picture, record)

    def fail(
        self, error: ScaiError, record: Mapping[str, Any] | None = None, *, now: float | None = None
    ) -> bool:
        """Publish the error in place of a result, as `complete` does."""
        message = f"failed on {_clock(now)}: {error.message}"
        return self._finish("failure", error.to_dict(), {"message": message}, record=record)

    def reopen(self, now: float) -> bool:
        """Let a session that has a verdict run anew, as if it had come `now` (epoch seconds).

        The verdict is kept beside, and attempts begin anew. The caller holds the lock, and lets the
        job wait afterwards. Returns False and changes nothing if there is no verdict.
        """
        record = self.record()
        if record.get("state") not in FINAL:
            return False
        earlier.begin_anew(self._place / _RECORD, record, [_RESULT, _PICTURE], self._disk, now)
        self._unsettled.clear()
        return True

    def _finish(
        self,
        state: str,
        verdict: Mapping[str, Any],
        changes: Mapping[str, str],
        picture: bytes | None = None,
        record: Mapping[str, Any] | None = None,
    ) -> bool:
        if self._unsettled:
            # A final state never changes, so this writes the one that may have been seen.
            seen, files = self._unsettled[0]
            self._publish(seen, files)
            return seen == state
        try:
            record = self.record() if record is None else record
        except BadSession:
            # An unreadable record is replaced by one that says what went wrong, and kept.
            damaged.keep(self.path / _RECORD, self._disk)
            record = {}
        if record.get("state") in FINAL:
            return False
        kind = str(record.get("job", "")).replace("_", " ").capitalize() or "The job"
        final = {**record, **changes, "state": state, "message": f"{kind} {changes['message']}"}
        final.pop("claim", None)
        files = {} if picture is None else {_PICTURE: picture}
        files |= {_RESULT: seal({"state": state, **verdict}), _RECORD: seal(final)}
        self._publish(state, files)
        return True

    def _publish(self, state: str, files: dict[str, bytes]) -> None:
        appeared = partial(self._unsettled.append, (state, files))
        try:
            # The record is the last: a power cut must not leave it without a result.
            self._disk.publish_in_order(self._place, files, appeared)
            self._unsettled.clear()
        except FileNotFoundError:
            if self.path.is_dir():
                raise
            raise NotFound("no such session") from None  # removed since its record was read

    def age(self, now: float) -> float:
        """Seconds since the directory last changed. Raises NotFound."""
        return folder_age(self.path, now)

    def size(self) -> int:
        """Bytes in the directory's files; links count nothing."""
        return folder_size(self.path)

    def remove(self) -> int:
        """Remove the directory; return the bytes it held. Links are removed, never followed."""
        return remove_folder(self.path, _RECORD)


def _first_record(
    kind: str, upload: Upload, moment: float, params: Mapping[str, str | float]
) -> dict[str, Any]:
    return {
        "state": "initialization",
        "job": kind,
        "key": secrets.token_hex(20),
        "input_image": f"input{upload.suffix}",
        "message": "",
        "result": "",
        "result_image": "",
        "filename": upload.filename,
        "datetime": time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(moment)),
        "created": round(moment, 3),
        "attempts": 0,
        **params,
    }


def attempts(record: Mapping[str, Any]) -> int:
    """How many runs of this session were begun; 0 for a record of a foreign client."""
    count = record.get("attempts", 0)
    return count if isinstance(count, int) and count > 0 else 0


def _clock(now: float | None) -> str:
    return time.strftime("%H:%M:%S", time.localtime(now))
