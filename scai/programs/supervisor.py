"""Portal, workers and cleaner as child processes of one command.

A child that dies is started again, after a pause that doubles up to half a minute while it keeps
dying. The jobs that a dead worker had claimed go back to its queue at once. Children run in
sessions of their own, so that Ctrl-C reaches the supervisor alone and it can end them in order:
the portal first, so that no more uploads are accepted, then the workers.
"""

from __future__ import annotations

import http.client
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from scai import __version__, queues
from scai.processes import (
    EXIT_CONFIG,
    Process,
    address_of,
    check_port,
    describe_exit,
    end_children,
    start_child,
)
from scai.queues.base import JobQueue
from scai.settings import ROOT, Settings, as_environment

log = logging.getLogger(__name__)

Start = Callable[[Sequence[str], Mapping[str, str]], Process]


@dataclass(frozen=True)
class Timing:
    """Pauses and graces of a supervisor, in seconds.

    The pause before a restart begins at `first_pause` and doubles up to `longest_pause`; it is
    the first one again for a child that lived `sound_after`. `portal_grace` and `worker_grace`
    together stay well under the ten seconds that a stop may take.
    """

    first_pause: float = 0.2
    longest_pause: float = 30.0
    sound_after: float = 60.0
    turn: float = 0.05
    portal_grace: float = 5.5
    worker_grace: float = 3.5


@dataclass
class Child:
    """One program that runs for ever, or (with `every`, in seconds) again and again.

    `pause` is the time in seconds before its next restart, `due` the moment of that restart.
    """

    name: str
    command: list[str]
    kind: str = ""
    every: float | None = None
    process: Process | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = 0.0


class Supervisor:
    """Runs the children of one installation until a signal stops it."""

    def __init__(
        self,
        settings: Settings,
        *,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.monotonic,
        start: Start = start_child,
    ) -> None:
        self._settings = settings
        self._timing = timing
        self._clock = clock
        self._start_process = start
        self._stopping = False
        self._broken = False
        self._ready = False
        self._queues = queues.open_all(settings)
        settings.sessionpath.mkdir(parents=True, exist_ok=True)
        self.children = self._make_children()
        for child in self.children:
            child.pause = timing.first_pause

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
        """Start the children that are due, and note the ones that have ended."""
        for child in self.children:
            if child.process is None:
                if self._clock() >= child.due:
                    self._start(child)
            elif (code := child.process.poll()) is not None:
                self._note_end(child, code)

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
        child.process = None
        if child.every is not None:
            child.due = now + child.every
            return
        if child.kind:
            self._recover(self._queues[child.kind])
        if code == EXIT_CONFIG and not self._ready:
            # It has logged in one sentence what is wrong, and nothing depends on us yet.
            self._broken = True
            log.error("%s cannot run", child.name)
            return
        if now - child.started >= timing.sound_after:
            child.pause = timing.first_pause
        child.due = now + child.pause
        log.warning(
            "%s died (%s); started again in %.1f s", child.name, describe_exit(code), child.pause
        )
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
            if child.kind and (child.process is None or not self._is_warm(child)):
                return False
        return self._portal_answers()

    def _is_warm(self, child: Child) -> bool:
        assert child.process is not None
        pid = child.process.pid
        workers = self._queues[child.kind].workers()
        return any(worker.get("pid") == pid and worker.get("warm") for worker in workers)

    def _portal_answers(self) -> bool:
        host = _reachable(self._settings.host)
        connection = http.client.HTTPConnection(host, self._settings.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _ready_line(self) -> str:
        models = [
            worker.get("model", "?")
            for queue in self._queues.values()
            for worker in queue.workers()
        ]
        what = f"{self._settings.runningmode} mode" + "".join(f", {name}" for name in models)
        address = address_of(_reachable(self._settings.host), self._settings.port)
        return f"SCAI {__version__} is ready at {address} ({what}). Ctrl-C stops it."

    def close(self) -> None:
        """End the portal, then all others, and give back what the workers had claimed."""
        portal = [child for child in self.children if child.name == "portal"]
        others = [child for child in self.children if child.name != "portal"]
        self._end(portal, self._timing.portal_grace)
        self._end(others, self._timing.worker_grace)
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
