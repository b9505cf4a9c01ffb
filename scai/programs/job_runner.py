"""Job mode: one process per session, at most so many at once; started where the tickets are.

The process claims its own ticket, so the queue's promises hold unchanged: a process that dies
leaves a claim that comes back, and a job that killed its process too often is given up.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from scai.errors import ScaiError, WorkerDied
from scai.monitoring.journal import Entry, Journal
from scai.processes import PARENT, how_it_ended
from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT, Settings
from scai.storage.session import Session, arrived

log = logging.getLogger(__name__)

# Before a process that failed is tried again, doubled each time, in seconds.
_FIRST_PAUSE = 0.5
# What running processes get to end, together; less than the portal itself gets.
_GRACE = 2.0


@dataclass
class Failing:
    """A session whose process failed: its kind, how often it did, and when to try again."""

    kind: str
    times: int = 0
    due: float = 0.0


class JobRunner:
    """Starts a process for each waiting session of `kinds`."""

    def __init__(self, settings: Settings, kinds: list[str]) -> None:
        self._settings = settings
        self._rung = threading.Event()
        self._queues = {
            kind: DirectoryQueue(settings.pool(kind), kind, doorbell=False) for kind in kinds
        }
        self._journals = {kind: Journal(settings.pool(kind)) for kind in kinds}
        self._running: dict[str, tuple[str, subprocess.Popen[bytes]]] = {}
        self._failing: dict[str, Failing] = {}
        # The oldest waiting session of each kind, where it has been asked for.
        self._heads: dict[str, str] = {}
        self._stopping = False

    def run(self) -> None:
        """Step until `stop`, woken by new tickets and ended processes."""
        for queue in self._queues.values():
            queue.listen_for_arrivals(self._rung.set)
        while not self._stopping:
            self._rung.clear()
            try:
                self.step()
            except Exception:
                # Whatever it was, uploads go on being accepted and must find a runner.
                log.exception("the waiting jobs cannot be started now")
            self._rung.wait(self._settings.checktimeperiod)
        self._end()

    def stop(self) -> None:
        """Let `run` end, and the processes with it."""
        self._stopping = True
        self._rung.set()

    def step(self) -> int:
        """Reap what has ended, start what waits; how many processes run now."""
        self._reap()
        if len(self._running) < self._settings.max_jobs:
            for queue in self._queues.values():
                queue.look()
        while len(self._running) < self._settings.max_jobs and (found := self._oldest()):
            name, kind = found
            failing = self._failing.get(name)
            if failing is not None and failing.times >= self._settings.max_attempts:
                self._give_up(name, kind)
            else:
                self._running[name] = kind, self._start(name, kind)
        return len(self._running)

    def _oldest(self) -> tuple[str, str] | None:
        """The oldest session that may be started now, and its kind; it is not told again soon."""
        for kind in self._queues:
            self._fill_head(kind)
        waiting = [(name, kind) for kind, name in self._heads.items()]
        found = min(waiting + self._due(), default=None)
        if found in waiting:
            del self._heads[found[1]]
        elif found is not None:
            self._failing[found[0]].due = time.monotonic() + _FIRST_PAUSE
        return found

    def _fill_head(self, kind: str) -> None:
        queue = self._queues[kind]
        if not queue.waits(self._heads.get(kind, "")):
            self._heads.pop(kind, None)  # somebody else took it
        while kind not in self._heads and (name := queue.next_waiting()) is not None:
            # Those that failed have a time of their own.
            if name not in self._running and name not in self._failing:
                self._heads[kind] = name

    def _due(self) -> list[tuple[str, str]]:
        """The failing sessions that wait for another try, and may have it."""
        found = []
        for name, failing in list(self._failing.items()):
            if name in self._running or failing.due > time.monotonic():
                continue
            queue = self._queues[failing.kind]
            if queue.waits(name):
                found.append((name, failing.kind))
            elif not queue.has(name):
                del self._failing[name]
        return found

    def _reap(self) -> None:
        ended = [
            (name, kind, code)
            for name, (kind, process) in self._running.items()
            if (code := process.poll()) is not None
        ]
        for name, kind, code in ended:
            del self._running[name]
            self._failing.pop(name, None) if code == 0 else self._failed(name, kind, code)
        if ended:
            for queue in self._queues.values():
                queue.recover()

    def _failed(self, name: str, kind: str, code: int) -> None:
        log.warning("process of session %s: %s", name, how_it_ended(code))
        failing = self._failing.setdefault(name, Failing(kind))
        if code < 0:
            return  # killed: its attempt was counted when it began
        failing.times += 1
        failing.due = time.monotonic() + _FIRST_PAUSE * 2**failing.times

    def _give_up(self, name: str, kind: str) -> None:
        """Fail a session that no process could begin to run."""
        times = self._failing.pop(name).times
        claim = self._queues[kind].claim_one(name)
        if claim is None:
            return
        reason = f"{times} processes could not begin to run it; the server's log says why"
        try:
            session = Session(self._settings.sessionpath, name)
            with session.lock() as ours:
                if not ours:
                    claim.give_back()
                    return
                died = WorkerDied(reason)
                session.fail(died)
                claim.hold(reason)
                self._journals[kind].note(lambda: Entry.unstarted(died, arrived(name)))
        except (OSError, ScaiError) as error:
            log.error("session %s: %s", name, error)
            claim.give_back()

    def _start(self, name: str, kind: str) -> subprocess.Popen[bytes]:
        settings = self._settings
        command = [
            *(sys.executable, "-m", f"workers.{kind}", "--runningmode=job"),
            *(f"--sessname={name}", f"--sesspath={settings.sessionpath}"),
            *(f"--poolingdir={settings.pool(kind)}", f"--config={settings.models_file(kind)}"),
            f"--usedconfig={settings.usedconfig}",
        ]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, PARENT: str(os.getpid()), "PYTHONPATH": path}
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        threading.Thread(target=self._ring_at_end, args=(process,), daemon=True).start()
        return process

    def _ring_at_end(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._rung.set()

    def _end(self) -> None:
        processes = [process for _, process in self._running.values()]
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for queue in self._queues.values():
            queue.recover()
            queue.close()
        for journal in self._journals.values():
            journal.close()
