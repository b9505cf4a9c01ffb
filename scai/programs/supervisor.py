"""Portal, workers and cleaner as child processes of one command.

A child that dies is started again, after a pause that doubles up to half a minute while it keeps
dying. One that hangs is ended and started again in the same way, see scai/programs/watch.py. The
jobs that a dead worker had claimed go back to its queue at once. Nothing here waits for a disk or
for another process, so that one that hangs stops nothing else. Children run in sessions of their
own, so that Ctrl-C reaches the supervisor alone and it can end them in order: the portal first, so
that no more uploads are accepted, then the workers.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any

from scai import __version__, queues
from scai.jobs.amounts import Amounts
from scai.processes import (
    EXIT_CONFIG,
    Process,
    address_of,
    check_port,
    describe_exit,
    end_children,
    start_child,
)
from scai.programs.child import DEFAULT_TIMING, Child, Timing
from scai.programs.early_cleaning import EarlyCleaning, is_short
from scai.programs.left_behind import LeftBehind
from scai.programs.watch import PortalWatch, WorkerWatch, answers
from scai.queues.base import JobQueue
from scai.settings import ROOT, Settings, as_environment
from scai.storage.lookout import Answer, Lookout, Run, in_a_thread
from scai.storage.rights import make_folders
from scai.storage.start_check import check_folders

log = logging.getLogger(__name__)

# Least seconds between two counts of the queues, to know the room that their verdicts will need.
_COUNT = 5.0

Start = Callable[[Sequence[str], Mapping[str, str]], Process]


class Supervisor:
    """Runs the children of one installation until a signal stops it."""

    def __init__(
        self,
        settings: Settings,
        *,
        timing: Timing = DEFAULT_TIMING,
        clock: Callable[[], float] = time.monotonic,
        start: Start = start_child,
        aside: Run = in_a_thread,
        portal_answers: Callable[[], bool] | None = None,
        disk_is_short: Callable[[], bool] | None = None,
    ) -> None:
        """`aside` runs what may take long; `portal_answers` asks whether the portal answers.

        `disk_is_short` asks whether uploads will soon be refused for lack of room.
        """
        self._settings = settings
        self._timing = timing
        self._clock = clock
        self._start_process = start
        self._aside = aside
        self._stopping = False
        self._broken = False
        self._ready = False
        self._portal_answer: Answer[bool] | None = None
        self._queues = queues.open_all(settings)
        make_folders(settings.sessionpath)
        self.children = self._make_children()
        for child in self.children:
            child.pause = timing.first_pause
        ask = portal_answers or answers(_reachable(settings.host), settings.port, timing.probe)
        self._facts = Lookout(self._read_facts, timing.look, clock=clock, run=aside)
        self._portal = PortalWatch(
            Lookout(ask, timing.look, clock=clock, run=aside), settings.portal_timeout
        )
        short = disk_is_short or is_short(Amounts(settings, self._queues, least=_COUNT))
        self._early = EarlyCleaning(short, settings.cleaninterval, clock=clock, run=aside)
        self._workers = WorkerWatch(self._facts, settings.worker_timeout, settings.load_timeout)
        self._left_behind = LeftBehind(settings.stop_grace)

    def _read_facts(self) -> list[dict[str, Any]]:
        """What all living workers announced, with their heartbeats."""
        return [worker for queue in self._queues.values() for worker in queue.workers()]

    def _make_children(self) -> list[Child]:
        python = sys.executable
        children = [Child("portal", [python, str(ROOT / "index.py")])]
        if self._settings.runningmode == "runtime":
            for kind in self._queues:
                for number in range(self._settings.worker_count(kind)):
                    name = kind if number == 0 else f"{kind}-{number + 1}"
                    children.append(Child(name, [python, "-m", f"workers.{kind}"], kind))
        cleaner = [python, str(ROOT / "clean.py"), "--quiet"]
        every = self._settings.cleaninterval
        return [*children, Child("cleaner", cleaner, every=every, due=self._clock() + every)]

    def run(self, ready: Callable[[str], None]) -> int:
        """Run until SIGINT or SIGTERM; `ready(line)` is called once, when all is warm.

        Returns the exit status: 0, or 1 when a child could not be brought up at all. Raises
        ConfigError when the port is in use.
        """
        check_port(self._settings.host, self._settings.port)
        check_folders(self._settings.sessionpath, self._settings.pools)
        # A shell's background job ignores SIGINT at first, and it must stop us all the same; only
        # SIGHUP, which nohup lets us ignore, is left as it is.
        signals = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signals.append(signal.SIGHUP)
        for number in signals:
            signal.signal(number, self._stop)
        try:
            while not (self._stopping or self._broken):
                self.step()
                if not self._ready and self._all_warm():
                    self._ready = True
                    ready(self._ready_line())
                time.sleep(self._timing.turn)
        finally:
            self.close()
        return 1 if self._broken else 0

    def step(self) -> None:
        """Start the children that are due, note the ones that have ended, replace those that hang.

        Never waits for any of them, nor for a disk.
        """
        self._look()
        cleaner_first = self._early.comes_first
        for child in self.children:
            if child.process is None:
                is_cleaner = child.every is not None
                if is_cleaner and self._early.due:
                    child.due = min(child.due, self._clock())
                if self._clock() >= child.due and (is_cleaner or not cleaner_first):
                    self._start(child)
            elif (code := child.process.poll()) is not None:
                self._note_end(child, code)
            elif child.kill_at is not None:
                self._kill_if_due(child, child.process)
            elif why := self._complaint(child, child.process.pid):
                self._replace(child, child.process, why)

    def _look(self) -> None:
        """Ask for signs of life; what was answered meanwhile counts now."""
        running = [(child, child.process.pid) for child in self.children if child.process]
        self._workers.look(pid for child, pid in running if child.every is None)
        self._left_behind.look(self._facts.answer)
        for child, pid in running:
            if child.name == "portal":
                self._portal_answer = self._portal.look(pid)

    def _complaint(self, child: Child, pid: int) -> str:
        """Why a running child counts as hanging; "" if it does not."""
        if child.every is not None:
            hangs = self._clock() - child.started > self._timing.longest_clean
            return f"has run for {self._timing.longest_clean:.0f} s" if hangs else ""
        if child.kind:
            return self._workers.complaint(pid)
        # In job mode, the portal's process also starts the workers, and sends heartbeats.
        in_job_mode = self._settings.runningmode == "job"
        return self._portal.complaint(pid) or (self._workers.complaint(pid) if in_job_mode else "")

    def _replace(self, child: Child, process: Process, why: str) -> None:
        """End a child that hangs; it is started again when it has ended."""
        log.error("%s %s; it is replaced", child.name, why)
        process.terminate()
        child.kill_at = self._clock() + self._timing.hung_grace

    def _kill_if_due(self, child: Child, process: Process) -> None:
        # SIGKILL also ends a process that is stopped. One that waits for a disk that hangs stays
        # until the disk answers; it is killed again, for the case that a signal was lost.
        if child.kill_at is not None and self._clock() >= child.kill_at:
            process.kill()
            child.kill_at = self._clock() + self._timing.hung_grace

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, child: Child) -> None:
        child.started = self._clock()
        try:
            child.process = self._start_process(child.command, as_environment(self._settings))
        except OSError as error:
            child.due = child.started + child.pause
            child.pause = self._longer(child.pause)
            log.error("%s cannot be started now: %s", child.name, error)

    def _note_end(self, child: Child, code: int) -> None:
        """Give a dead child's claims back, and set the time of its next start."""
        now, timing = self._clock(), self._timing
        verb = "died" if child.kill_at is None else "ended"
        child.process, child.kill_at = None, None
        if child.every is not None:
            child.due = now + child.every
            self._early.note_end()
            return
        if child.kind:
            self._aside(partial(self._recover, self._queues[child.kind]))
        if code == EXIT_CONFIG and not self._ready:
            # It has logged in one sentence what is wrong, and nothing depends on us yet.
            self._broken = True
            log.error("%s cannot run", child.name)
            return
        if now - child.started >= timing.sound_after:
            child.pause = timing.first_pause
        child.due = now + child.pause
        how = describe_exit(code)
        log.warning("%s %s (%s); started again in %.1f s", child.name, verb, how, child.pause)
        child.pause = self._longer(child.pause)

    def _longer(self, pause: float) -> float:
        return min(pause * 2, self._timing.longest_pause)

    def _recover(self, queue: JobQueue) -> None:
        try:
            queue.recover()
        except OSError as error:
            log.error("the claims of a dead worker cannot be given back now: %s", error)

    def _all_warm(self) -> bool:
        for child in self.children:
            if child.kind and (child.process is None or not self._is_warm(child.process.pid)):
                return False
        return self._portal_answer is not None and self._portal_answer.value

    def _is_warm(self, pid: int) -> bool:
        return any(w.get("pid") == pid and w.get("warm") for w in self._known_workers())

    def _known_workers(self) -> list[dict[str, Any]]:
        return [] if self._facts.answer is None else self._facts.answer.value

    def _ready_line(self) -> str:
        models = [worker.get("model", "?") for worker in self._known_workers() if "kind" in worker]
        what = f"{self._settings.runningmode} mode" + "".join(f", {name}" for name in models)
        address = address_of(_reachable(self._settings.host), self._settings.port)
        return f"SCAI {__version__} is ready at {address} ({what}). Ctrl-C stops it."

    def close(self) -> None:
        """End the portal, then all others, and give back what the workers had claimed."""
        portal = [child for child in self.children if child.name == "portal"]
        others = [child for child in self.children if child.name != "portal"]
        # In job mode, the portal's process ends the workers, which need their grace.
        in_job_mode = self._settings.runningmode == "job"
        workers_grace = self._settings.stop_grace
        self._end(portal, self._timing.portal_grace + (workers_grace if in_job_mode else 0.0))
        self._end(others, workers_grace)
        for queue in self._queues.values():
            self._recover(queue)
            queue.close()

    def _end(self, children: list[Child], grace: float) -> None:
        killed = end_children([c.process for c in children if c.process is not None], grace)
        for child in children:
            if child.process in killed:
                log.warning("%s does not stop; killed", child.name)
            child.process = None


def _reachable(host: str) -> str:
    """An address that a browser on this machine can open for a listening address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
