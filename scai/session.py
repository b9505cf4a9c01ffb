"""One upload and everything that came of it: a directory.

    session/d-YYYYMMDD-<40 hex>/
        input.<ext>     the picture as it was sent
        process.json    state, key and message; the seed's seven keys and ours
        result.json     what was recognised, or why not; there from the moment of the verdict
        output.png      the annotated picture, for kinds that draw one

States go initialization -> processing -> complete | failure, and a final state never changes.
Whoever changes a session holds its flock, so a session is never processed by two at once and
the cleaner never removes one that is being worked on; the kernel lets go when a process dies.
Nobody but this file knows these names.
"""

from __future__ import annotations

import errno
import fcntl
import hmac
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai.durable import Disk
from scai.errors import BadSession, NotFound, ScaiError

NAME = re.compile(r"d-\d{8}-[0-9a-f]{40}")
STATES = ("initialization", "processing", "complete", "failure")
FINAL = ("complete", "failure")

_RECORD = "process.json"
_RESULT = "result.json"
_PICTURE = "output.png"
# Far above any record of ours; a foreign client's might be anything.
_LONGEST_RECORD = 4_000_000
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Kept from clients: the key is a secret, the rest is of no use outside.
_PRIVATE = ("key", "input_image", "attempts")


def new_name(now: float) -> str:
    """A session name for the time `now` (epoch seconds); names sort by arrival."""
    day = time.strftime("%Y%m%d", time.localtime(now))
    return f"d-{day}-{int(now * 1000):012x}{secrets.token_hex(14)}"


def arrived(name: str) -> float | None:
    """When the session of that name began, in epoch seconds; None for a foreign client's name."""
    at = int(name[11:23], 16) / 1000
    day = name[2:10]
    return at if at < 1e10 and time.strftime("%Y%m%d", time.localtime(at)) == day else None


@dataclass(frozen=True)
class Upload:
    """What a client sent: the picture, its stored suffix such as ".jpg", the client's file name."""

    data: bytes
    suffix: str
    filename: str = ""


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
        self._disk = disk or Disk()

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
        enqueue: Callable[[Session], None] = lambda session: None,
        now: Callable[[], float] = time.time,
        disk: Disk | None = None,
    ) -> Session:
        """A new session on stable storage; it appears whole, by one rename of its directory.

        `enqueue` is called while its lock is held, so that no cleaner, however short its period,
        takes it for abandoned. When that or the disk fails with OSError, nothing is left.
        """
        moment = now()
        session = cls(root, new_name(moment), disk=disk)
        picture = f"input{upload.suffix}"
        record = {
            "state": "initialization",
            "job": kind,
            "key": secrets.token_hex(20),
            "input_image": picture,
            "message": "",
            "result": "",
            "result_image": "",
            "filename": upload.filename,
            "datetime": time.strftime("%Y/%m/%d %H:%M:%S", time.localtime(moment)),
            "created": round(moment, 3),
            "attempts": 0,
            **(params or {}),
        }
        making = root / f".new-{session.name}"
        lock: int | None = None
        try:
            making.mkdir(mode=0o750, parents=True)
            lock = _flock(making)
            session._disk.write(making / picture, upload.data)
            session._disk.write(making / _RECORD, _json(record))
            session._disk.sync_directory(making)
            os.rename(making, session.path)
            session._disk.sync_directory(root)
            enqueue(session)
        except OSError:
            for left in (making, session.path):
                shutil.rmtree(left, ignore_errors=True)
            raise
        finally:
            if lock is not None:
                os.close(lock)
        return session

    def record(self) -> dict[str, Any]:
        """The content of process.json.

        Raises NotFound when there is no such session, BadSession when the file is not a JSON
        object; errors of the disk pass through, for they may be gone the next time.
        """
        if self.path.is_symlink():
            raise NotFound("no such session")
        return _read_object(self.path / _RECORD)

    @property
    def state(self) -> str:
        """One of STATES. Raises NotFound."""
        return str(self.record().get("state", "initialization"))

    def opens_with(self, key: str, kind: str) -> bool:
        """Whether `key` is this session's key and `kind` its job."""
        record = self.record()
        own = record.get("key")
        if not isinstance(own, str) or not own or record.get("job") != kind:
            return False
        # Bytes, because compare_digest refuses text that is not ASCII.
        return hmac.compare_digest(_bytes(own), _bytes(key))

    @property
    def input_path(self) -> Path:
        """The picture as it was sent. Raises NotFound."""
        name = str(self.record().get("input_image", ""))
        path = self.path / name
        # A shell client names the file; it must not lead out of its own directory.
        if not name or os.path.basename(name) != name or path.is_symlink() or not path.is_file():
            raise NotFound("the session has no input image")
        return path

    @property
    def picture_path(self) -> Path | None:
        """The annotated picture, or None while there is none."""
        path = self.path / _PICTURE
        return path if path.is_file() and not path.is_symlink() else None

    def result(self) -> dict[str, Any]:
        """What clients may see: the record without its secrets, and the verdict if there is one."""
        record = self.record()
        shown = {key: value for key, value in record.items() if key not in _PRIVATE}
        if record.get("state") in FINAL:
            shown.update(self._verdict())
        return shown

    def _verdict(self) -> dict[str, Any]:
        try:
            return _read_object(self.path / _RESULT)
        except (NotFound, BadSession):
            return {}

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """True while this session is ours alone, False when somebody else has it.

        Raises NotFound when the directory does not exist; errors of the disk pass through.
        """
        try:
            descriptor = _flock(self.path)
        except OSError as error:
            if error.errno in _NOT_THERE:
                raise NotFound("no such session") from None
            raise
        if descriptor is None:
            yield False
            return
        try:
            yield True
        finally:
            os.close(descriptor)

    def start(self, now: float | None = None) -> dict[str, Any]:
        """Count an attempt and say so, before the run. The caller holds the lock.

        Returns the record. Does nothing to a session that is final already.
        """
        record = self.record()
        if record.get("state") not in FINAL:
            record["state"] = "processing"
            record["message"] = f"AI recognition starts on {_clock(now)}."
            record["attempts"] = attempts(record) + 1
            # Its bytes are flushed, though the count need not survive a power cut: an empty file
            # in the place of the record would lose the key and with it the job.
            self._disk.place(self.path / _RECORD, _json(record))
        return record

    def complete(
        self,
        verdict: Mapping[str, Any],
        *,
        text: str = "",
        picture: bytes | None = None,
        now: float | None = None,
    ) -> bool:
        """Publish the verdict: picture, result.json, then the record, whose rename is the commit.

        `text` is the seed's `result` string. The caller holds the lock. Returns False, changing
        nothing, when there was a final state already.
        """
        changes = {
            "result": text,
            "result_image": _PICTURE if picture is not None else "",
            "message": f"finished on {_clock(now)}",
        }
        return self._finish("complete", verdict, changes, picture)

    def fail(self, error: ScaiError, *, now: float | None = None) -> bool:
        """Publish that there will be no result, and why. As `complete` otherwise."""
        message = f"failed on {_clock(now)}: {error.message}"
        return self._finish("failure", error.to_dict(), {"message": message})

    def _finish(
        self,
        state: str,
        verdict: Mapping[str, Any],
        changes: Mapping[str, str],
        picture: bytes | None = None,
    ) -> bool:
        try:
            record = self.record()
        except BadSession:
            record = {}  # an unreadable record is replaced by one that says what went wrong
        if record.get("state") in FINAL:
            return False
        kind = str(record.get("job", "")).replace("_", " ").capitalize() or "The job"
        final = {**record, **changes, "state": state, "message": f"{kind} {changes['message']}"}
        if picture is not None:
            self._disk.place(self.path / _PICTURE, picture)
        # The verdict must be on the disk before the record says so: a power cut between the two
        # would leave a final state without its result.
        self._disk.place(self.path / _RESULT, _json({"state": state, **verdict}))
        self._disk.sync_directory(self.path)
        self._disk.publish(self.path / _RECORD, _json(final))
        return True

    def age(self, now: float) -> float:
        """Seconds since the directory last changed. Raises NotFound."""
        try:
            return now - self.path.lstat().st_mtime
        except FileNotFoundError:
            raise NotFound("no such session") from None

    def size(self) -> int:
        """Bytes in the directory's files; links count nothing."""
        return sum(f.lstat().st_size for f in self.path.iterdir() if not f.is_symlink())

    def remove(self) -> int:
        """Remove the directory; the bytes it held. Links are removed, never followed."""
        freed = self.size()
        # A rename first, so that nobody finds a session that is half there.
        going = self.path.with_name(f".gone-{self.name}")
        os.rename(self.path, going)
        shutil.rmtree(going)
        return freed


def attempts(record: Mapping[str, Any]) -> int:
    """How often a run of this session was begun; 0 for a record of a foreign client."""
    count = record.get("attempts", 0)
    return count if isinstance(count, int) and count > 0 else 0


def _clock(now: float | None) -> str:
    return time.strftime("%H:%M:%S", time.localtime(now))


def _json(value: Mapping[str, Any]) -> bytes:
    return _bytes(json.dumps(value, ensure_ascii=False, indent=1))


def _bytes(text: str) -> bytes:
    # Half a surrogate pair, which JSON allows and UTF-8 does not, goes out as it came: \\udxxx.
    return text.encode("utf-8", "backslashreplace")


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file that anybody may have written.

    Raises NotFound when there is none, BadSession for anything that is not a plain file of
    sensible size with one JSON object.
    """
    try:
        # Not blocking, for it may be a pipe; not following, for it may lead anywhere.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise NotFound("no such session") from None
        raise
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadSession(f"{path.name} must be a plain file")
        data = file.read(_LONGEST_RECORD + 1)
    if len(data) > _LONGEST_RECORD:
        raise BadSession(f"{path.name} is longer than {_LONGEST_RECORD} bytes")
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadSession(f"{path.name} is not JSON: {str(error)[:100]}") from error
    if not isinstance(value, dict):
        raise BadSession(f"{path.name} must hold a JSON object")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _flock(folder: Path) -> int | None:
    """A descriptor that holds the folder's flock, also through a rename; None if another does."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(folder, flags)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor
