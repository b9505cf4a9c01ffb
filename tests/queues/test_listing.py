"""The oldest names of a large folder, at hand."""

from itertools import count

from scai.queues._listing import Backlog


def names(*numbers: int) -> list[str]:
    return [f"{number:06}" for number in numbers]


def drain(backlog: Backlog) -> list[str]:
    sessions = []
    while (name := backlog.take()) is not None:
        sessions.append(name)
    return sessions


def test_names_come_oldest_first_and_only_valid_ones() -> None:
    backlog = Backlog(str.isdigit)
    backlog.read(["README", *names(3, 1, 2)])
    assert drain(backlog) == names(1, 2, 3)
    assert not backlog and backlog.take() is None


def test_of_many_names_the_oldest_are_kept() -> None:
    backlog = Backlog(str.isdigit, max_names=10)
    backlog.read(names(*range(999, -1, -1)))
    assert drain(backlog) == names(*range(10))


def test_an_arrival_takes_its_place_in_the_order() -> None:
    backlog = Backlog(str.isdigit)
    backlog.read(names(2, 4, 6))
    for name in names(7, 3, 8, 1):
        backlog.add(name)
    backlog.add("README")
    assert drain(backlog) == names(1, 2, 3, 4, 6, 7, 8)


def test_an_arrival_does_not_overtake_those_that_only_the_folder_knows() -> None:
    backlog = Backlog(str.isdigit, max_names=3)
    backlog.read(names(*range(0, 200, 10)))
    for name in names(5, 199):
        backlog.add(name)
    assert drain(backlog) == names(0, 5, 10, 20)


def test_too_many_untaken_arrivals_must_be_read() -> None:
    backlog = Backlog(str.isdigit)
    numbers = count()
    while not backlog.incomplete:
        backlog.add(f"{next(numbers):06}")
    backlog.read(names(5))
    assert not backlog.incomplete
    assert drain(backlog) == names(5)


def test_memory_stays_bounded_while_arrivals_are_taken_slower_than_they_come() -> None:
    backlog = Backlog(str.isdigit, max_names=4)
    for number in range(100):
        backlog.add(f"{number:06}")
        assert backlog
    assert drain(backlog) == names(*range(8))
