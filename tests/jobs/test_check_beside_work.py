"""A check beside clients, a worker and an operator who are all at work finds nothing wrong."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from support.helpers import KIND
from support.working import Installation

from scai.errors import ScaiError
from scai.jobs.check.run import check
from scai.jobs.holds import Holds
from scai.queues.base import JobQueue
from scai.storage.disk import Disk
from scai.storage.session import Session

pytestmark = pytest.mark.slow

_SESSIONS = 400


class Client(threading.Thread):
    """Sends photos, and holds, releases or drops some of them."""

    def __init__(self, place: Installation, stop: threading.Event) -> None:
        super().__init__()
        self._place = place
        self._stop_event = stop
        self.sent: list[Session] = []

    def run(self) -> None:
        draw = random.Random(5)
        with self._place.queue() as queue:
            holds = Holds(self._place.root, {KIND: queue}, disk=Disk("off"))
            while not self._stop_event.is_set() and len(self.sent) < _SESSIONS:
                session = self._place.session(queue=queue)
                self.sent.append(session)
                act = draw.choice([None, None, holds.hold, holds.release, holds.drop])
                with suppress(ScaiError):
                    if act is not None:
                        act(draw.choice(self.sent[-5:]).name)


def test_a_check_beside_work_finds_nothing(tmp_path: Path) -> None:
    place, stop = Installation(tmp_path / "place"), threading.Event()
    client = Client(place, stop)

    def work() -> None:
        with place.queue() as queue:
            while not stop.is_set():
                place.work(queue)

    threads = [client, threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    found, looks = [], 0
    try:
        with place.queue() as queue:
            queues: dict[str, JobQueue] = {KIND: queue}
            while client.is_alive():
                looks += 1
                found += check(place.root, queues, disk=Disk("off"), settle=0.0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert found == []
    assert len(client.sent) == _SESSIONS
    assert looks > 2
