"""What a storm does to an installation: signals to its processes at random instants."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from support.helpers import wait_until
from support.live import Live, alive, command_line, kill

# A part of the command line of each process, and how often it is hit.
_TARGETS = {"portal": 3, "worker": 5, "helper": 2, "cleaner": 1, "supervisor": 1}
_MARKS = {
    "portal": "index.py",
    "worker": "-m workers.",
    "helper": "scai.worker.decoders",
    "cleaner": "clean.py",
}
_SIGNALS = {signal.SIGKILL: 5, signal.SIGTERM: 3, signal.SIGSTOP: 3}
# Longest stop in seconds before a process is continued.
_LONGEST_STOP = 8.0


class Storm:
    """Hits the processes of an installation in `folder` until `seconds` are over.

    The installation starts again whenever its supervisor has ended, as systemd would do it.
    """

    def __init__(
        self, folder: Path, seed: int, say: Callable[[str], None], **environment: str
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._random = random.Random(seed)
        self._say = say
        self.hits: Counter[str] = Counter()
        self.live = Live(folder, **environment).wait_ready()

    def rage(self, seconds: float, pause: float = 1.0) -> None:
        """Send a signal every `pause` seconds on average."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self._random.uniform(0, 2 * pause))
            self._hit()
            if self.live.process.poll() is not None:
                self._start_again()

    def settle(self) -> None:
        """Bring the installation up for a last time."""
        if self.live.process.poll() is not None:
            self._start_again()

    def _hit(self) -> None:
        [role] = self._random.choices([*_TARGETS], [*_TARGETS.values()])
        [number] = self._random.choices([*_SIGNALS], [*_SIGNALS.values()])
        pids = self._pids(role)
        if not pids:
            return
        pid = self._random.choice(pids)
        self.hits[f"{role} {signal.Signals(number).name}"] += 1
        self._say(f"{signal.Signals(number).name} to {role} {pid}")
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if number == signal.SIGSTOP:
            timer = threading.Timer(self._random.uniform(0, _LONGEST_STOP), _resume, (pid,))
            timer.daemon = True
            timer.start()

    def _pids(self, role: str) -> list[int]:
        if role == "supervisor":
            return [self.live.process.pid]
        return [pid for pid in self.live.all_pids()[1:] if _MARKS[role] in command_line(pid)]

    def _start_again(self) -> None:
        old = self.live
        left = [pid for pid in old.all_pids()[1:] if alive(pid)]
        try:
            # Its children end by themselves when it is gone.
            wait_until(lambda: not any(alive(pid) for pid in left), 30, "the children ended")
        finally:
            kill(left)
        old.stop()
        self.live = Live(self._folder, port=old.port, **self._environment).wait_ready()


def _resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
