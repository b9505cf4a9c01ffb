"""A contender in a process of its own that stays alive over the rounds and works when asked.

The process is `python -m MODULE`; it reads one JSON object a line and answers each with one. Its
own `serve` does that; whatever else the process prints does not come between.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import click

from scai.settings import ROOT

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class Child:
    """The process `python -m module`; the first question sets it up and is asked at once."""

    def __init__(
        self, module: str, question: Mapping[str, Any], environment: Mapping[str, str] | None = None
    ) -> None:
        self._name = str(question.get("name", module))
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            self.facts = self.ask(question)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Ask, and wait for the answer. Raises click.ClickException when there is none."""
        self.tell(question)
        return self.hear()

    def tell(self, question: Mapping[str, Any]) -> None:
        """Ask without waiting; `hear` waits for the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `hear` says that it died

    def hear(self) -> dict[str, Any]:
        """The answer to the oldest question that has none. Raises click.ClickException."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise click.ClickException(f"{self._name}: the process ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise click.ClickException(f"{self._name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(answer: Answer) -> None:
    """In the child: answer every question until there are no more; errors are answers too."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            found = answer(json.loads(line))
        except Exception as error:
            found = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        try:
            out.write(json.dumps(found) + "\n")
            out.flush()
        except BrokenPipeError:
            return


def timed(call: Callable[[], object], seconds: float) -> list[float]:
    """How long each call took, in seconds, while calling for `seconds`; at least 3 of them."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return taken
