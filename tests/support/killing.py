"""A process that dies at a chosen change of the disk, without a process: what follows is lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_CHANGES = ("rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir", "write", "utime")


class Killed(BaseException):
    """The process is dead: no clean-up of its own can change anything any more."""


@contextmanager
def killed_before(change: int) -> Iterator[Callable[[], int]]:
    """Let every change of the disk from that number on (from 0) raise Killed.

    Gives a function that tells how many were made. Files that are opened to be made count too.
    """
    made = 0

    def count() -> None:
        nonlocal made
        if made >= change:
            raise Killed
        made += 1

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            count()
            return real(*args, **kwargs)

        return act

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT:
            count()
        return real_open(path, flags, *args, **kwargs)

    real_open = os.open
    with pytest.MonkeyPatch.context() as patch:
        for name in _CHANGES:
            patch.setattr(os, name, counted(getattr(os, name)))
        patch.setattr(os, "open", opened)
        yield lambda: made


def at_each_change(act: Callable[[], object], look: Callable[[int], object]) -> int:
    """Do `act` and kill it before its first change, do it anew and kill it before its second …

    `look(change)` is called after each death and once after the end; it makes everything as it was.
    Returns how many changes there are.
    """
    for change in range(1000):
        try:
            with killed_before(change):
                act()
        except Killed:
            look(change)
        else:
            look(change)
            return change
    raise AssertionError("it never comes to its end")
