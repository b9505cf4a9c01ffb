"""Job mode: start one process per waiting session, up to `max_jobs` at once.

The process claims its own ticket, so the queue's promises hold unchanged: a process that dies
leaves a claim that comes back, and a job that killed its process too often is given up.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from scai import queues
from scai.errors import ScaiError, WorkerDied
from scai.monitoring.journal import Journal, JournalEntry
from scai.processes import Process, describe_exit, end_children, start_child
from scai.programs.start_order import FIRST_PAUSE, StartOrder
from scai.programs.watch import WorkerWatch
from scai.settings import Settings
from scai.storage.lookout import Lookout, Run, in_a_thread
from scai.storage.session import Session, arrival_time
from scai.worker.heartbeat import PERIOD, Heartbeat

log = logging.getLogger(__name__)


class JobRunner:
    """Starts a process for each waiting session of `kinds`."""

    def __init__(
        self,
        settings: Settings,
        kinds: list[str],
        *,
        start: Callable[[Sequence[str]], Process] = start_child,
        clock: Callable[[], float] = time.monotonic,
        first_pause: float = FIRST_PAUSE,
        aside: Run = in_a_thread,
    ) -> None:
        self._settings = settings
        self._start_process = start
        self._rung = threading.Event()
        self._queues = {kind: queues.open(settings, kind) for kind in kinds}
        self._journals = {kind: Journal(settings.pool(kind)) for kind in kinds}
        self._running: dict[str, tuple[str, Process]] = {}
        self._order = StartOrder(self._queues, first_pause=first_pause, clock=clock)
        # They show that this loop runs: to the supervisor, and to whoever asks for readiness.
        self._heartbeats = [Heartbeat(queue.beat) for queue in self._queues.values()]
        self._watch = WorkerWatch(
            Lookout(self._read_facts, clock=clock, run=aside),
            settings.worker_timeout,
            settings.load_timeout,
        )
        self._stopping = False

    def _read_facts(self) -> list[dict[str, Any]]:
        return [worker for queue in self._queues.values() for worker in queue.workers()]

    def run(self) -> None:
        """Step until `stop`, woken by new tickets and ended processes."""
        listens = False
        while not self._stopping:
            self._rung.clear()
            try:
                if not listens:
                    self._listen()
                    listens = True
                for heartbeat in self._heartbeats:
                    heartbeat()
                self.step()
            except Exception:
                # Whatever the error was, the portal still accepts uploads: the runner must go on.
                log.exception("the waiting jobs cannot be started now")
            self._rung.wait(min(self._settings.checktimeperiod, PERIOD))
        self.close()

    def _listen(self) -> None:
        """Hear of arrivals, and tell all who see the heartbeats what they are: of this loop."""
        for queue in self._queues.values():
            queue.announce(runner=True)
            queue.listen_for_arrivals(self._rung.set)

    def stop(self) -> None:
        """Let `run` return, and end the processes."""
        self._stopping = True
        self._rung.set()

    def step(self) -> int:
        """Reap ended processes and start others for waiting sessions; return how many run."""
        self._reap()
        self._kill_hanging()
        if len(self._running) < self._settings.max_jobs:
            for queue in self._queues.values():
                queue.refresh()
        while len(self._running) < self._settings.max_jobs:
            oldest = self._order.next(self._running)
            if oldest is None:
                break
            name, kind = oldest
            if self._order.failures(name) >= self._settings.max_attempts:
                self._give_up(name, kind)
            else:
                self._running[name] = kind, self._start(name, kind)
        return len(self._running)

    def close(self) -> None:
        """End the processes, give their jobs back, and let go of queues and journals."""
        end_children([process for _, process in self._running.values()], self._settings.stop_grace)
        self._running.clear()
        for queue in self._queues.values():
            queue.recover()
            queue.close()
        for journal in self._journals.values():
            journal.close()

    def _reap(self) -> None:
        exits = [
            (name, kind, code)
            for name, (kind, process) in self._running.items()
            if (code := process.poll()) is not None
        ]
        for name, kind, code in exits:
            del self._running[name]
            if code == 0:
                self._order.forget(name)
            else:
                log.warning("process of session %s: %s", name, describe_exit(code))
                self._order.note_failure(name, kind, code)
        if exits:
            for queue in self._queues.values():
                queue.recover()

    def _kill_hanging(self) -> None:
        """Kill the processes whose heartbeats have stopped; the next turn finds them ended."""
        self._watch.look(process.pid for _, process in self._running.values())
        for name, (_, process) in self._running.items():
            if why := self._watch.complaint(process.pid):
                log.error("the process of session %s %s; it is killed", name, why)
                process.kill()

    def _give_up(self, name: str, kind: str) -> None:
        """Fail a session that no process could begin to run."""
        times = self._order.failures(name)
        self._order.forget(name)
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
                death = WorkerDied(reason)
                if not session.fail(death):
                    claim.done()  # it has a verdict already
                    return
                claim.hold(reason)
                self._journals[kind].note(lambda: JournalEntry.unstarted(death, arrival_time(name)))
        except (OSError, ScaiError) as error:
            log.error("session %s: %s", name, error)
            claim.give_back()

    def _start(self, name: str, kind: str) -> Process:
        settings = self._settings
        command = [
            *(sys.executable, "-m", f"workers.{kind}", "--runningmode=job"),
            *(f"--sessname={name}", f"--sesspath={settings.sessionpath}"),
            *(f"--poolingdir={settings.pool(kind)}", f"--config={settings.models_file(kind)}"),
            f"--usedconfig={settings.usedconfig}",
        ]
        process = self._start_process(command)
        threading.Thread(target=self._ring_at_end, args=(process,), daemon=True).start()
        return process

    def _ring_at_end(self, process: Process) -> None:
        process.wait()
        self._rung.set()
