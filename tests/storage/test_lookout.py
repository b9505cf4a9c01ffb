"""Nobody waits for an answer that does not come."""

from __future__ import annotations

import threading
from collections.abc import Callable

from support.helpers import Clock, wait_until

from scai.storage.lookout import Answer, Lookout


def test_an_answer_is_kept_until_it_is_time_to_ask_again() -> None:
    clock, answers = Clock(0.0), iter(range(9))
    lookout = Lookout(lambda: next(answers), 1.0, clock=clock, run=lambda act: act())
    assert [lookout.look(), lookout.look()] == [Answer(0, 0.0)] * 2
    clock.now = 1.0
    assert lookout.look() == Answer(1, 1.0)


def test_a_question_that_hangs_is_not_asked_twice_and_stops_nobody() -> None:
    clock, release, asked = Clock(0.0), threading.Event(), list[int]()

    def ask() -> str:
        asked.append(1)
        assert release.wait(20)
        return "at last"

    lookout = Lookout(ask, 1.0, clock=clock)
    assert lookout.look() is None
    wait_until(lambda: asked)
    clock.now = 100.0
    assert lookout.look() is None
    assert lookout.wait(0.01) is None
    release.set()
    wait_until(lambda: lookout.answer)
    assert (lookout.answer, len(asked)) == (Answer("at last", 0.0), 1)
    # It is old by now, so whoever waits gets a new one.
    answer = lookout.wait(20)
    assert (answer, len(asked)) == (Answer("at last", 100.0), 2)


def test_a_question_that_fails_is_asked_again() -> None:
    clock, answers = Clock(0.0), iter([OSError("no such disk"), "good"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    lookout = Lookout(ask, 1.0, clock=clock, run=lambda act: act())
    assert lookout.look() is None
    clock.now = 1.0
    assert lookout.look() == Answer("good", 1.0)


def test_without_a_thread_to_ask_in_there_is_no_answer_and_the_next_look_tries_again() -> None:
    clock = Clock(0.0)
    full = True

    def run(act: Callable[[], None]) -> None:
        if full:
            raise RuntimeError("can't start new thread")
        act()

    lookout = Lookout(lambda: "good", 1.0, clock=clock, run=run)
    assert lookout.look() is None
    full, clock.now = False, 1.0
    assert lookout.look() == Answer("good", 1.0)
