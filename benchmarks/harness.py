"""Rounds in which contenders take turns, because machines are shared and noisy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from scai.cli.text import progress_line


def interleave(rounds: int, contenders: Mapping[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """Call each contender once per round, in turn, and collect their results.

    Every round begins with the next contender, so that none always comes first or after the same
    one. Values stand in the order of the rounds.
    """
    names = list(contenders)
    results: dict[str, list[Any]] = {name: [] for name in names}
    for number in range(rounds):
        turn = number % len(names) if names else 0
        for name in names[turn:] + names[:turn]:
            progress(f"round {number + 1} of {rounds}: {name}")
            results[name].append(contenders[name]())
    progress("")
    return results


def progress(text: str) -> None:
    """Print progress: in place on a terminal, else a line each; "" clears the line."""
    if sys.stderr.isatty():
        progress_line(text[:100])
    elif text:
        click.echo(text, err=True)


def percentile(values: list[float], share: float) -> float:
    """Return the percentile: the least value that `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
