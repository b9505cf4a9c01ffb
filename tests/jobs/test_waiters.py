"""Waiting for a verdict, woken by the queues."""

import threading

from support.helpers import KIND

from scai.jobs.waiters import Waiters
from scai.queues.memory import MemoryQueue


class Relistening(MemoryQueue):
    """A queue that begins to listen anew by ending a thread that is about to ring."""

    def listen_for_ends(self, ring):  # type: ignore[no-untyped-def]
        bell = threading.Thread(target=ring, args=("d-1",))
        bell.start()
        bell.join(10)
        assert not bell.is_alive(), "the bell cannot ring while a queue begins to listen"
        return True


def test_a_bell_that_rings_while_a_queue_listens_anew_blocks_nobody() -> None:
    waiters = Waiters([Relistening(KIND)])
    with waiters.waiting_for("d-1") as event, waiters.waiting_for("d-1") as second:
        assert waiters.informed
        assert event.is_set()  # rung when the second began to wait
        assert not second.is_set()
