"""Portal, workers and cleaner as child processes of one command.

A child that dies is started again, with a pause that doubles up to half a minute while it keeps
dying. What a dead worker had claimed goes back to its queue at once. Children run in sessions of
their own, so that Ctrl-C reaches the supervisor alone and it can end them in order: the portal
first, so that nothing is accepted any more, then the workers.
"""

from __future__ import annotations

import http.client
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from scai import __version__, plugins
from scai.processes import EXIT_CONFIG, PARENT, address_of, check_port, how_it_ended
from scai.queues import _owners
from scai.queues.directory import DirectoryQueue
from scai.settings import ROOT, Settings, as_environment

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 30.0
# A child that lived this long, in seconds, is sound again: its next pause is the shortest.
_SOUND_AFTER = 60.0
_TURN = 0.05
# Together well under the ten seconds that a stop may take.
_PORTAL_GRACE = 5.5
_WORKER_GRACE = 3.5


@dataclass
class Child:
    """One program that is to run for ever, or (with `every`) again and again."""

    name: str
    command: list[str]
    kind: str = ""
    every: float | None = None
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = _FIRST_PAUSE


class Supervisor:
    """Runs the children of one installation until told to stop."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = False
        self._broken = False
        self._told = False
        self._queues = {
            kind: DirectoryQueue(settings.pool(kind), kind, doorbell=False)
            for kind in plugins.names("workers")
        }
        settings.sessionpath.mkdir(parents=True, exist_ok=True)
        self.children = self._plan()

    def _plan(self) -> list[Child]:
        python = sys.executable
        plan = [Child("portal", [python, str(ROOT / "index.py")])]
        if self._settings.runningmode == "runtime":
            counts = {
                "image_classification": self._settings.ic_workers,
                "object_detection": self._settings.od_workers,
            }
            for kind in self._queues:
                for number in range(counts.get(kind, 1)):
                    name = kind if number == 0 else f"{kind}-{number + 1}"
                    plan.append(Child(name, [python, "-m", f"workers.{kind}"], kind))
        cleaner = [python, str(ROOT / "clean.py"), "--quiet"]
        every = self._settings.cleaninterval
        return [*plan, Child("cleaner", cleaner, every=every, due=self._clock() + every)]

    def run(self, ready: Callable[[str], None]) -> int:
        """Run until SIGINT or SIGTERM; `ready(line)` is called once, when all is warm.

        Returns the exit status: 0, or 1 when a child could not be brought up at all. Raises
        ConfigError when the port is taken.
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
                for child in self.children:
                    self._tend(child)
                if not self._told and self._all_warm():
                    self._told = True
                    ready(self._line())
                time.sleep(_TURN)
        finally:
            self._end()
        return 1 if self._broken else 0

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _tend(self, child: Child) -> None:
        """Start it when it is due; when it has died, say so and set the time of the next start."""
        now = self._clock()
        if child.process is None:
            if now >= child.due:
                child.started = now
                self._try_start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        child.process = None
        if child.every is not None:
            child.due = now + child.every
            return
        if child.kind:
            self._recover(self._queues[child.kind])
        if code == EXIT_CONFIG and not self._told:
            # It has said in one sentence what is wrong, and nothing depends on us yet.
            self._broken = True
            log.error("%s cannot run", child.name)
            return
        if now - child.started >= _SOUND_AFTER:
            child.pause = _FIRST_PAUSE
        child.due = now + child.pause
        log.warning(
            "%s died (%s); started again in %.1f s", child.name, how_it_ended(code), child.pause
        )
        child.pause = min(child.pause * 2, _LONGEST_PAUSE)

    def _try_start(self, child: Child) -> None:
        try:
            child.process = self._start(child)
        except OSError as error:
            child.due = child.started + child.pause
            child.pause = min(child.pause * 2, _LONGEST_PAUSE)
            log.error("%s cannot be started now: %s", child.name, error)

    def _recover(self, queue: DirectoryQueue) -> None:
        try:
            queue.recover()
        except OSError as error:
            log.error("the claims of a dead worker cannot be taken back now: %s", error)

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {
            **os.environ,
            **as_environment(self._settings),
            PARENT: str(os.getpid()),
            "PYTHONPATH": path,
        }
        return subprocess.Popen(
            child.command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )

    def _all_warm(self) -> bool:
        for child in self.children:
            if child.kind and (child.process is None or not self._is_warm(child)):
                return False
        return self._portal_answers()

    def _is_warm(self, child: Child) -> bool:
        assert child.process is not None
        pid = child.process.pid
        pool = self._settings.pool(child.kind)
        return any(w.get("pid") == pid and w.get("warm") for w in _owners.living(pool))

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

    def _line(self) -> str:
        models = [
            worker.get("model", "?")
            for kind in self._queues
            for worker in _owners.living(self._settings.pool(kind))
        ]
        what = f"{self._settings.runningmode} mode" + "".join(f", {name}" for name in models)
        address = address_of(_reachable(self._settings.host), self._settings.port)
        return f"SCAI {__version__} is ready at {address} ({what}). Ctrl-C stops it."

    def _end(self) -> None:
        workers = [child for child in self.children if child.name != "portal"]
        self._end_all([c for c in self.children if c.name == "portal"], _PORTAL_GRACE)
        self._end_all(workers, _WORKER_GRACE)
        for queue in self._queues.values():
            self._recover(queue)
            queue.close()

    def _end_all(self, children: list[Child], grace: float) -> None:
        living = [child for child in children if child.process is not None]
        for child in living:
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + grace
        for child in living:
            process = child.process
            if process is None:
                continue
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("%s does not stop; killed", child.name)
                process.kill()
                process.wait()
            child.process = None


def _reachable(host: str) -> str:
    """An address that a browser on this machine can open for a listening address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
