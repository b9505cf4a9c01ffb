"""How batches form between the decoding threads and the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from support.helpers import wait_until

from scai.worker.batching import (
    ALONE,
    FREE,
    FULL,
    HELPERS,
    LAST,
    MEMORY,
    OWN,
    WAITED,
    InferenceBatch,
    InferenceQueue,
)
from scai.worker.task import Task

InThread = Callable[[Callable[[], object]], list[object]]


def task(model: str = "") -> Task:
    nothing = SimpleNamespace()
    return Task(nothing, nothing, {"model": model})  # type: ignore[arg-type]


def fill(batches: InferenceQueue, *tasks: Task) -> None:
    for one in tasks:
        batches.announce()
        batches.put(one)


@pytest.fixture
def in_thread() -> Callable[[Callable[[], object]], list[object]]:
    """Run something in a thread; the list gets what it returned."""

    def run(act: Callable[[], object]) -> list[object]:
        found: list[object] = []
        threading.Thread(target=lambda: found.append(act()), daemon=True).start()
        return found

    return run


def test_a_free_engine_takes_what_is_there_and_waits_for_nobody() -> None:
    batches = InferenceQueue(largest=8)
    first = task()
    fill(batches, first)
    batches.announce()  # another is being decoded
    assert batches.take() == InferenceBatch([first], FREE)


def test_what_gathered_meanwhile_goes_together_oldest_first() -> None:
    batches = InferenceQueue(largest=8)
    tasks = [task() for _ in range(5)]
    fill(batches, *tasks)
    assert batches.take() == InferenceBatch(tasks, FREE)


def test_a_batch_is_closed_at_the_largest_size() -> None:
    batches = InferenceQueue(largest=2, wait=60)
    tasks = [task() for _ in range(3)]
    fill(batches, *tasks)
    assert batches.take() == InferenceBatch(tasks[:2], FULL)


def test_models_are_never_mixed_and_the_oldest_goes_first() -> None:
    batches = InferenceQueue(largest=8)
    a, b, a_too = task("a"), task("b"), task("a")
    fill(batches, a, b, a_too)
    assert batches.take() == InferenceBatch([a, a_too], FREE)
    assert batches.take() == InferenceBatch([b], FREE)


def test_a_longest_wait_keeps_the_batch_open_for_more(
    in_thread: Callable[[Callable[[], object]], list[object]],
) -> None:
    batches = InferenceQueue(largest=2, wait=60)
    first, second = task(), task()
    fill(batches, first)
    found = in_thread(batches.take)
    fill(batches, second)
    wait_until(lambda: found)
    assert found == [InferenceBatch([first, second], FULL)]


def test_the_longest_wait_comes_to_an_end() -> None:
    batches = InferenceQueue(largest=8, wait=0.01)
    only = task()
    fill(batches, only)
    assert batches.take() == InferenceBatch([only], WAITED)


def test_draining_waits_for_those_on_their_way_and_for_no_others(
    in_thread: Callable[[Callable[[], object]], list[object]],
) -> None:
    batches = InferenceQueue(largest=8)
    first, second = task(), task()
    batches.announce()
    fill(batches, first)
    found = in_thread(lambda: batches.take(draining=True))
    batches.put(second)
    wait_until(lambda: found)
    assert found == [InferenceBatch([first, second], LAST)]
    assert batches.take(draining=True) is None


def test_one_that_does_not_come_is_not_waited_for() -> None:
    batches = InferenceQueue(largest=8)
    batches.announce()
    batches.drop()
    assert batches.take(draining=True) is None


def test_after_the_end_what_is_left_comes_out_and_then_nothing() -> None:
    batches = InferenceQueue(largest=8)
    only = task()
    fill(batches, only)
    batches.end()
    assert batches.take() == InferenceBatch([only], LAST)
    assert batches.take() is None


def test_decoding_waits_while_too_much_memory_is_reserved(in_thread: InThread) -> None:
    batches = InferenceQueue(largest=8, memory=100)
    room = batches.reserve(100)
    held = task()
    fill(batches, held)
    batches.announce()
    waiting = in_thread(lambda: batches.reserve(50))
    # The one that waits cannot join, so the batch goes without it, even while draining.
    assert batches.take(draining=True) == InferenceBatch([held], MEMORY)
    assert waiting == []
    room.resize(51)
    assert waiting == []
    room.release()
    wait_until(lambda: waiting)
    assert batches.peaks == {OWN: 100}


def test_a_picture_larger_than_the_memory_is_alone_in_its_line(in_thread: InThread) -> None:
    batches = InferenceQueue(largest=8, memory=100)
    small = batches.reserve(1)
    large = in_thread(lambda: batches.reserve(1000))
    # First come, first served: a small one does not pass by, except in the other line.
    small_too = in_thread(lambda: batches.reserve(1))
    batches.reserve(60, HELPERS).release()
    assert (large, small_too) == ([], [])
    small.release()
    wait_until(lambda: large)
    assert small_too == []
    large[0].release()  # type: ignore[attr-defined]
    wait_until(lambda: small_too)


def test_a_suspect_waits_for_those_that_are_counted_and_others_for_it(
    in_thread: InThread,
) -> None:
    batches = InferenceQueue(largest=8, wait=60)
    first, second, suspect = task(), task(), task()
    batches.enter(first)
    fill(batches, first)
    alone = in_thread(lambda: batches.enter_alone(suspect))
    # It does not wait for a batch to fill.
    assert batches.take() == InferenceBatch([first], ALONE)
    entered = in_thread(lambda: batches.enter(second))
    batches.enter(first)  # counted already, so it does not wait
    assert (alone, entered) == ([], [])
    batches.leave(first)
    wait_until(lambda: alone)
    assert entered == []
    fill(batches, suspect)
    assert batches.take() == InferenceBatch([suspect], ALONE)
    batches.leave(suspect)
    wait_until(lambda: entered)


def test_it_counts_sizes_and_reasons() -> None:
    batches = InferenceQueue(largest=2)
    fill(batches, task(), task(), task())
    batches.take(), batches.take()
    assert batches.sizes == {2: 1, 1: 1}
    assert batches.closed == {FULL: 1, FREE: 1}


def test_a_largest_size_that_is_no_multiple_of_it_still_closes_the_batch() -> None:
    batches = InferenceQueue(largest=3, wait=60)
    tasks = [task() for _ in range(4)]
    for one in tasks:
        one.abreast = 2
    fill(batches, *tasks)
    assert batches.take() == InferenceBatch(tasks[:2], FULL)


def test_a_batch_fills_what_the_engine_runs_side_by_side() -> None:
    batches = InferenceQueue(largest=8)
    tasks = [task() for _ in range(3)]
    for one in tasks:
        one.abreast = 2
    fill(batches, *tasks)
    assert batches.take() == InferenceBatch(tasks[:2], FREE)
    assert batches.take() == InferenceBatch(tasks[2:], FREE)
