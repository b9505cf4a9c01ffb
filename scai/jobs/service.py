"""The service behind the routes: submit a picture, read a session, wait for a verdict."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from scai import queues
from scai.errors import Busy, InUse, NotFound, ScaiError, StorageFull
from scai.jobs import inputs
from scai.jobs.amounts import Amounts
from scai.jobs.backpressure import Backpressure
from scai.jobs.deferral import Deferral
from scai.jobs.following import Follower, Stream
from scai.jobs.holds import Holds
from scai.jobs.queue_view import QueueView
from scai.jobs.readiness import Readiness
from scai.jobs.times import DEFAULT_TIMES, JobTimes
from scai.jobs.waiters import Waiters
from scai.models.client_options import ClientOptions
from scai.pictures.header import Limits
from scai.queues.base import JobQueue
from scai.settings import FORM_ROOM, Settings
from scai.storage.disk import Disk, spread, storage_error
from scai.storage.rights import make_folders
from scai.storage.session import FINAL, Session, Upload

log = logging.getLogger(__name__)

# Seconds after which a client that found no room to follow may try again.
_RETRY_FOLLOW = 10
_MAX_NAME = 255  # characters
_NO_SESSION = "no available task, key or job"


class JobService:
    """The only interface to jobs for the routes. Starts no thread before somebody waits."""

    def __init__(
        self,
        settings: Settings,
        queues: Mapping[str, JobQueue],
        *,
        disk: Disk | None = None,
        times: JobTimes = DEFAULT_TIMES,
    ) -> None:
        self.settings = settings
        self.times = times
        self._queues = dict(queues)
        self._input_types = {kind: inputs.of(settings.kinds[kind]) for kind in self._queues}
        self.disk = disk or Disk(settings.durability)
        self._max_body = max(settings.max_request_bytes, settings.max_batch_bytes + FORM_ROOM)
        self._limits = Limits(settings.max_upload_bytes, settings.max_pixels)
        self._waiters = Waiters(self._queues.values())
        self._waiting = threading.BoundedSemaphore(max(1, settings.threads * 3 // 4))
        self._views = {kind: QueueView(queue) for kind, queue in self._queues.items()}
        self._follower = Follower(settings.sessionpath, self._waiters, self._views)
        self._options = ClientOptions(settings)
        self.holds = Holds(
            settings.sessionpath, self._queues, disk=self.disk, ring=self._waiters.ring
        )
        self._amounts = Amounts(settings, self._queues)
        self._backpressure = Backpressure(settings, self._amounts)
        self.readiness = Readiness(settings, self._queues, self.writable)
        make_folders(settings.sessionpath)
        spread(settings.sessionpath)

    @property
    def kinds(self) -> list[str]:
        """The kinds of recognition on offer."""
        return list(self._queues)

    def models(self, kind: str) -> list[str]:
        """The models a client may choose by name, the default one first; aliases are left out."""
        return self._options.models(kind)

    def submit(
        self,
        kind: str,
        picture: bytes | Path,
        filename: str,
        params: Mapping[str, str] | None = None,
        client: str = "",
    ) -> Session:
        """Accept a picture; when this returns, it is on stable storage and will get a verdict.

        kind: a kind of recognition
        picture: its bytes, or a file in the session folder, which is moved away
        filename: the client's name for it, which people see and which is never used as a path
        params: text values of "model", a section name; "threshold", the confidence threshold
            0..1; "top_k", the largest number of results
        client: the address of the client, by which its waiting photos are counted; "" for nobody

        Raises NotFound, BadRequest, BadImage, ClientLimit, Busy or StorageFull.
        """
        queue = self._queue(kind)
        values = self._options.parse(kind, params) if params else {}
        input_type = self._input_types[kind]
        info = input_type.probe(picture, self._limits)
        name = _base_name(filename)
        data, file = (picture, None) if isinstance(picture, bytes) else (b"", picture)
        upload = Upload(data, _suffix(name, input_type, info.suffix), name, file)
        try:
            size = len(data) if file is None else file.stat().st_size
            with self._backpressure.admit(kind, client, size, written=file is not None) as place:
                session = Session.create(
                    self.settings.sessionpath,
                    kind,
                    upload,
                    params=values,
                    queue=queue,
                    disk=self.disk,
                )
                place.session = session.name
        except OSError as error:
            log.error("upload not stored: %s", error)
            raise self.storage_error(error) from error
        log.info("session %s: %s %s accepted", session.name, kind, info.size)
        return session

    def check(self, kind: str, params: Mapping[str, str]) -> dict[str, str | float]:
        """Check parameters as `submit` does, and raise as it does; return their values."""
        self._queue(kind)
        return self._options.parse(kind, params)

    def storage_error(self, error: OSError) -> ScaiError:
        """The error for clients in place of an error of the disk, with the time to come back."""
        answer_error = storage_error(error)
        if isinstance(answer_error, StorageFull):
            answer_error.details["retry_after"] = self._backpressure.wait_for_room()
        return answer_error

    def room_for(self, kind: str | None, size: int, client: str) -> AbstractContextManager[None]:
        """Refuse an upload before its body is read; keep room on the disk while it is.

        kind: a kind of recognition; None, or any other text, if it is not known yet
        size: length of the body in bytes; 0 if it is not known. One that is too long for any
            request counts nothing: it is refused for its length
        client: as in `submit`

        Raises ClientLimit, Busy or StorageFull. Costs microseconds.
        """
        self.check_room(kind, size, client)
        return self._backpressure.announced(size if size <= self._max_body else 0)

    def check_room(self, kind: str | None, size: int, client: str) -> None:
        """Raise as `room_for` does, without keeping room."""
        size = size if size <= self._max_body else 0
        self._backpressure.check(kind if kind in self._queues else None, client, size)

    def glance_at_room(self, kind: str | None, size: int, client: str) -> None:
        """Raise as `check_room` does, by what was known a moment ago. It never touches a disk."""
        size = size if size <= self._max_body else 0
        self._backpressure.glance(kind if kind in self._queues else None, client, size)

    def usage(self) -> dict[str, Any]:
        """What bounds uploads and how much of it is in use, for the status."""
        return {
            **self._amounts.usage(),
            "max_waiting_bytes": round(self.settings.max_waiting_mb * 1_000_000),
            "refused": dict(self._backpressure.refusals),
            "disk_errors": self.disk.failures,
        }

    def _queue(self, kind: str) -> JobQueue:
        try:
            return self._queues[kind]
        except KeyError:
            raise NotFound(f"no kind of recognition named {kind!r}") from None

    def session(self, kind: str, name: str, key: str) -> Session:
        """The session of that name. Raises NotFound unless `key` is its key and `kind` its kind."""
        session = Session(self.settings.sessionpath, name, disk=self.disk)
        if session.keyed_record(key, kind) is None:
            raise NotFound(_NO_SESSION)
        return session

    def result(
        self, kind: str, name: str, key: str, wait: float, deferral: Deferral | None = None
    ) -> dict[str, Any]:
        """The result of a session, found as `session` does, after a wait as `wait` does."""
        session = Session(self.settings.sessionpath, name, disk=self.disk)
        record = session.keyed_record(key, kind)
        if record is None:
            raise NotFound(_NO_SESSION)
        if not wait > 0 or record.get("state") in FINAL:
            return session.result(record)
        return self.wait(session, wait, deferral)

    def kind_of(self, name: str, key: str) -> str:
        """The kind of the session of that name. Raises NotFound unless `key` is its key."""
        session = Session(self.settings.sessionpath, name, disk=self.disk)
        kind = str(session.record().get("job"))
        if kind not in self._queues or session.keyed_record(key, kind) is None:
            raise NotFound(_NO_SESSION)
        return kind

    def place(self, kind: str, name: str) -> int | None:
        """How many jobs wait before that of a waiting session; None in a very long queue."""
        return self._views[kind].place(name)

    def remove(self, kind: str, name: str, key: str, *, flush: bool = True) -> None:
        """Remove a session, found as `session` does; its job will never run.

        Without `flush`, a power cut may bring it back until the caller has flushed the sessions'
        folder. Raises NotFound, and InUse while it is being recognised.
        """
        session = self.session(kind, name, key)
        try:
            with session.lock() as ours:
                # Under its lock nobody begins to work on it.
                if not ours or not self._queues[kind].withdraw(name):
                    raise InUse("this photo is being recognised; remove it when that is over")
                session.remove()
            if flush:
                self.disk.sync_directory(self.settings.sessionpath)
        except FileNotFoundError:
            raise NotFound(_NO_SESSION) from None  # the cleaner was faster
        self._amounts.ledgers[kind].forget(name)
        self._waiters.ring(name)
        log.info("session %s removed by its client", name)

    def wait(
        self, session: Session, timeout: float, deferral: Deferral | None = None
    ) -> dict[str, Any]:
        """The session's result as soon as it is final, or as it is after `timeout` seconds.

        With a deferral, this waits there instead, and the result is for nobody. Else, while three
        quarters of the portal's threads wait, it is `times.short_wait` at most.
        """
        if deferral is not None:
            left = deferral.left(min(timeout, self.settings.max_wait))
            return self.defer(session, left, deferral)
        if not self._waiting.acquire(blocking=False):
            # The other threads are for uploads and for clients who do not wait. Answered at once,
            # this client would ask again and again, and take the processor from them.
            return self._wait(session, min(timeout, self.times.short_wait))
        try:
            return self._wait(session, min(timeout, self.settings.max_wait))
        finally:
            self._waiting.release()

    def defer(self, session: Session, seconds: float, deferral: Deferral) -> dict[str, Any]:
        """The session's result; if that is not final, `deferral` waits `seconds` at most for it."""
        # Before the look, so no verdict falls between the two.
        deferral.listen(self._waiters, session.name)
        result = session.result()
        if result.get("state") not in FINAL and seconds > 0:
            deferral.wait(seconds, self._recheck, lambda: session.state in FINAL)
        return result

    @property
    def _recheck(self) -> float:
        """Seconds between two looks of who waits."""
        informed = self._waiters.informed
        return self.times.recheck if informed else self.times.recheck_without_events

    def _wait(self, session: Session, timeout: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        with self._waiters.waiting_for(session.name) as event:
            while True:
                event.clear()
                result = session.result()
                left = deadline - time.monotonic()
                if result.get("state") in FINAL or left <= 0:
                    return result
                event.wait(min(left, self._recheck))

    def follow(self, sessions: Iterable[tuple[str, str]], *, pauses: bool = False) -> Stream:
        """Follow the sessions with these names and keys, for `max_wait` seconds at most.

        The caller closes the stream. With `pauses`, it also waits itself, where the stream says
        so. Else this raises Busy while three quarters of the portal's threads wait.
        """
        if pauses:
            return Stream(self._follower.steps(sessions, self.settings.max_wait), lambda: None)
        if not self._waiting.acquire(blocking=False):
            raise Busy(
                "too many wait already; ask for each result instead", retry_after=_RETRY_FOLLOW
            )
        events = self._follower.events(sessions, self.settings.max_wait)
        return Stream(events, self._waiting.release)

    def workers(self) -> dict[str, list[dict[str, Any]]]:
        """The facts that the living workers of each kind announced."""
        return {
            kind: [worker for worker in queue.workers() if not worker.get("runner")]
            for kind, queue in self._queues.items()
        }

    def writable(self) -> bool:
        """Whether a small file can be written now."""
        trial = self.settings.sessionpath / f".ready-{threading.get_ident()}"
        try:
            self.disk.write(trial, b"x" * 4096, durable=False)
            trial.unlink()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Stop listening and close the queues."""
        for queue in self._queues.values():
            queue.close()


def _base_name(filename: str) -> str:
    """The last part of a client's path, of Unix or Windows, in printable characters."""
    last = PureWindowsPath(PurePosixPath(filename).name).name
    return "".join(c for c in last if c.isprintable())[:_MAX_NAME]


def _suffix(name: str, input_type: inputs.InputType, by_content: str) -> str:
    """The client's suffix, in its own case, if such an input may have it; else `by_content`."""
    own = Path(name).suffix
    return own if own.lower() in input_type.suffixes else by_content


def build(settings: Settings) -> JobService:
    """Make the service over the queues of the settings."""
    disk = Disk(settings.durability)
    return JobService(settings, queues.open_all(settings, disk=disk), disk=disk)
