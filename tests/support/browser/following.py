"""Photos that are followed by the page's own script, and workers that are held still meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

VERDICT_MS = 60_000  # a worker may still be loading its model
# Follows what it is given and keeps in window.news what it is told: task -> list of words.
FOLLOW = """async (given) => {
  const { follow } = await import("/static/js/shared/follow.js");
  window.news ??= {};
  window.settled ??= 0;
  window.stops ??= {};
  for (const one of given) {
    const told = (window.news[one.task] ??= []);
    const stop = (window.stops[one.task] = new AbortController());
    follow(one, {
      signal: stop.signal,
      onState: (state, place) => told.push(`${state} ${place}`),
      onTrouble: () => told.push("trouble"),
    }).then(
      (answer) => told.push(`answer ${answer.state} ${answer.predictions[0]?.label}`),
      (error) => told.push(`no ${error instanceof DOMException ? error.name : error.code}`),
    ).finally(() => (window.settled += 1));
  }
}"""


def items_of(kind: str, *answers: dict[str, Any]) -> list[dict[str, str]]:
    return [{"kind": kind, "task": one["sessname"], "key": one["sesskey"]} for one in answers]


def settled(page: Any, count: int) -> dict[str, list[str]]:
    """What was told once `count` photos came to their end."""
    page.wait_for_function(f"() => window.settled >= {count}", timeout=VERDICT_MS)
    return dict(page.evaluate("() => window.news"))


@pytest.fixture
def asleep(live: Any) -> Iterator[None]:
    """The workers of classification do nothing, and nothing waits for them yet."""
    live.wait_idle()
    pids = live.pids("workers.image_classification")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield
    wake(live)


def wake(live: Any) -> None:
    for pid in live.pids("workers.image_classification"):
        os.kill(pid, signal.SIGCONT)
