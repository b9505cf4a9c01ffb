"""Counting a queue for the sake of its limit."""

from support.helpers import KIND

from scai.jobs.depth import Depth
from scai.queues.base import Job
from scai.queues.memory import MemoryQueue
from scai.storage.session import new_name


class Slow(MemoryQueue):
    """A queue whose counting takes a second of a clock that only it moves."""

    def __init__(self) -> None:
        super().__init__(KIND)
        self.now = 0.0
        self.counts = 0

    def __len__(self) -> int:
        self.now += 1
        self.counts += 1
        return super().__len__()


def test_a_count_is_good_for_longer_the_longer_it_took() -> None:
    queue = Slow()
    depth = Depth(queue, lambda: queue.now)
    for _ in range(50):
        assert depth.room(1000)
        queue.now += 1
    assert queue.counts == 1
    queue.now += 60
    assert depth.room(1000)
    assert queue.counts == 2


def test_what_was_let_in_since_the_count_is_counted() -> None:
    depth = Depth(Slow(), lambda: 0.0)
    assert [depth.room(3) for _ in range(5)] == [True, True, True, False, False]


def test_a_queue_that_seemed_full_is_counted_again_after_a_second() -> None:
    queue = Slow()
    queue.put(Job(new_name(1_790_000_000), KIND))
    depth = Depth(queue, lambda: queue.now)
    assert not depth.room(1)
    assert not depth.room(1)
    assert queue.counts == 1
    [claim] = queue.claim(1, 0)
    claim.done()
    queue.now += 1.1
    assert depth.room(1)
