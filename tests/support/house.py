"""A supervisor without processes, which a test steps."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scai.programs.child import Timing
from scai.programs.supervisor import Supervisor
from scai.queues.directory import DirectoryQueue
from scai.settings import Settings
from support.fake_process import FakeProcess
from support.helpers import KIND, Clock


class House:
    """A supervisor of one installation, with every process that it has started, by program."""

    def __init__(
        self,
        folder: Path,
        aside: Callable[[Callable[[], None]], None] = lambda act: act(),
        **settings: Any,
    ) -> None:
        self.clock = Clock(1000.0)
        self.started: dict[str, list[FakeProcess]] = {}
        self.ended: list[str] = []
        self.refuses = False
        self.portal_answers = True
        self.is_short = False
        self.queue = DirectoryQueue(folder / "ic", KIND, doorbell=False)
        values = {
            "sessionpath": folder / "session",
            "icpoolpath": folder / "ic",
            "odpoolpath": folder / "od",
            "cleaninterval": 600,
            "worker_timeout": 30,
            "load_timeout": 600,
            "portal_timeout": 30,
            "od_workers": 0,
            **settings,
        }
        timing = Timing(first_pause=1, longest_pause=3, sound_after=60)
        self.supervisor = Supervisor(
            Settings(**values),
            timing=timing,
            clock=self.clock,
            start=self._start,
            aside=aside,
            portal_answers=lambda: self.portal_answers,
            disk_is_short=lambda: self.is_short,
        )

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> Any:
        if self.refuses:
            raise OSError("no memory")
        assert environment["SCAI_CLEANINTERVAL"] == "600"
        program = Path(command[-1]).name if command[-1] != "--quiet" else "clean.py"
        self.started.setdefault(program, []).append(
            FakeProcess(partial(self.ended.append, program))
        )
        return self.started[program][-1]

    def step(self, seconds: float = 0.0) -> None:
        self.clock.now += seconds
        self.supervisor.step()

    def pass_time(self, seconds: int) -> None:
        """Step once for each second."""
        for _ in range(seconds):
            self.step(1)

    def beat(self, program: str) -> None:
        """Send a heartbeat in the name of a program's last process."""
        self.queue.announce(pid=self.started[program][-1].pid)
        self.queue.beat()
        beat = self.queue.pool / ".owners" / f"{self.queue.owner.id}.beat"
        os.utime(beat, (self.clock.now, self.clock.now))

    def count(self, program: str) -> int:
        return len(self.started.get(program, []))

    def die(self, program: str, code: int = -9) -> None:
        self.started[program][-1].code = code


WORKER = "workers.image_classification"
