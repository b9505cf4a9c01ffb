"""The order of a queue, read for all who ask."""

from __future__ import annotations

from support.helpers import KIND, Clock

from scai.jobs.queue_view import QueueView
from scai.queues.memory import MemoryQueue


class Slow(MemoryQueue):
    """A queue that takes a second of its own clock to be read."""

    def __init__(self, *sessions: str) -> None:
        super().__init__(KIND)
        self.clock = Clock(0.0)
        self.readings = 0
        for session in sessions:
            self.place(session)

    def order(self, limit: int) -> list[str] | None:
        self.clock.now += 1
        self.readings += 1
        return super().order(limit)


def test_one_reading_of_the_order_serves_all() -> None:
    queue = Slow("a", "b", "c")
    view = QueueView(queue, queue.clock)
    assert [view.place(name) for name in ("a", "b", "c", "d")] == [0, 1, 2, 3]
    assert view.waits("b") and not view.waits("bb")
    assert queue.readings == 1
    queue.withdraw("a")
    queue.clock.now += 100
    assert view.place("b") == 0
    assert queue.readings == 2


def test_a_very_long_queue_tells_no_places() -> None:
    view = QueueView(Slow("a", "b", "c"), max_order=2)
    assert view.place("b") is None and not view.waits("b")
