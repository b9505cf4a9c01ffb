"""Following many sessions at once: a stream of events that reports what happens to each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.errors import NotFound, ScaiError
from scai.jobs.queue_view import QueueView
from scai.jobs.waiters import Pause, Waiters
from scai.storage.disk import storage_error
from scai.storage.session import FINAL, Session

_NO_SESSION = "no available task, key or job"


@dataclass(frozen=True)
class FollowTimes:
    """Pauses of a stream, in seconds.

    look: between two looks at states and places; the queues report verdicts at once
    look_alone: the same where the queues report nothing
    heartbeat: of silence before a heartbeat, which shows whether the follower is still there; pages
        leave often, for they open another stream each time photos come
    """

    look: float = 1.0
    look_alone: float = 0.25
    heartbeat: float = 1.0


@dataclass(frozen=True)
class Event:
    """One event of a stream, by its name:

    state   {"task", "state", "place"}: a session waits or is being recognised; `place` is how many
            jobs wait before it, None if that is unknown or it does not wait
    result  the final result of a session, and "task"
    gone    {"task", "code", "error"}: there is no session for that key, or it was removed
    beat    {}: nothing happened for a while
    end     {}: no session is left to follow
    """

    name: str
    data: dict[str, Any] = field(default_factory=dict)


class Stream:
    """The events of one follower. The caller must `close` it, even if it was never read.

    Pauses stand between the events if the reader said that it can wait by itself.
    """

    def __init__(self, events: Iterator[Event | Pause], release: Callable[[], None]) -> None:
        self._events = events
        self._release = release
        self._closed = False

    def __iter__(self) -> Iterator[Event | Pause]:
        return self

    def __next__(self) -> Event | Pause:
        return next(self._events)

    def close(self) -> None:
        """Free the thread that is counted for this stream. A second call does nothing."""
        if not self._closed:
            self._closed = True
            self._release()


@dataclass
class _Followed:
    session: Session
    kind: str
    # State and place of the last event.
    last: tuple[str, int | None] = ("", None)


class Follower:
    """Follows sessions of the folder `sessions`; `views` has one of each kind's queue."""

    def __init__(
        self,
        sessions: Path,
        waiters: Waiters,
        views: Mapping[str, QueueView],
        *,
        times: FollowTimes = FollowTimes(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._times = times
        self._sessions = sessions
        self._waiters = waiters
        self._views = views
        self._clock = clock

    def events(self, sessions: Iterable[tuple[str, str]], seconds: float) -> Iterator[Event]:
        """The events of sessions, given by name and key, for `seconds` at most.

        The present state of each comes first. After "end" nothing comes; without it, time was up.
        """
        for step in self.steps(sessions, seconds):
            if isinstance(step, Pause):
                step.wait()
            else:
                yield step

    def steps(self, sessions: Iterable[tuple[str, str]], seconds: float) -> Iterator[Event | Pause]:
        """The same for a reader that waits by itself: a pause comes where there is no news."""
        end = self._clock() + seconds
        followed: dict[str, _Followed] = {}
        for name, key in dict(sessions).items():
            try:
                followed[name] = self._open(name, key)
            except ScaiError as error:
                yield _gone(name, error)
            except OSError as error:
                yield _gone(name, storage_error(error))
        with self._waiters.waiting_for_any(followed) as bell:
            # Waiting began before the first look, so no verdict falls between the two.
            times = self._times
            rung, look_at, beat_at = set(followed), self._clock(), self._clock() + times.heartbeat
            while followed:
                for event in self._look(followed, rung, everywhere=self._clock() >= look_at):
                    beat_at = self._clock() + times.heartbeat
                    yield event
                now = self._clock()
                if not followed or now >= end:
                    break
                if now >= look_at:
                    look_at = now + (times.look if self._waiters.informed else times.look_alone)
                if now >= beat_at:
                    beat_at = now + times.heartbeat
                    yield Event("beat")
                yield Pause(bell, max(0.0, min(end, look_at) - self._clock()))
                rung = bell.wait(0)
        if not followed:
            yield Event("end")

    def _open(self, name: str, key: str) -> _Followed:
        session = Session(self._sessions, name)
        kind = str(session.record().get("job"))
        if kind not in self._views or session.keyed_record(key, kind) is None:
            raise NotFound(_NO_SESSION)
        return _Followed(session, kind)

    def _look(
        self, followed: dict[str, _Followed], rung: set[str], *, everywhere: bool
    ) -> Iterator[Event]:
        """The news of those that the bell rang for, or of all; final ones are dropped."""
        for name in [name for name in followed if everywhere or name in rung]:
            event = self._news(followed[name], read=name in rung)
            if event is None:
                continue
            if event.name != "state":
                del followed[name]
            yield event

    def _news(self, one: _Followed, *, read: bool) -> Event | None:
        """The news of one session, if any; without `read`, a waiting one is not opened."""
        view, name = self._views[one.kind], one.session.name
        state = "initialization"
        if read or not view.waits(name):
            try:
                record = one.session.record()
                state = str(record.get("state", state))
                if state in FINAL:
                    return Event("result", {**one.session.result(record), "task": name})
            except ScaiError as error:
                return _gone(name, error)
            except OSError:
                return None  # the disk may be better at the next look
        now = (state, view.place(name) if state == "initialization" else None)
        if now == one.last:
            return None
        one.last = now
        return Event("state", {"task": name, "state": state, "place": now[1]})


def _gone(name: str, error: ScaiError) -> Event:
    if isinstance(error, NotFound):
        error = NotFound(_NO_SESSION)  # a wrong key must look like no session
    return Event("gone", {"task": name, **error.to_dict()})
