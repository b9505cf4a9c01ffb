"""Run a contender in a process of its own, which lives through all rounds and answers questions.

The process is `python -m MODULE`. It reads JSON objects, one a line, and answers each with another
one; `serve` does that. Anything else that the process prints does not mix with the answers.
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
    """A process `python -m module`; its first question sets it up and is sent at once."""

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
        """The process id."""
        return self._process.pid

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Send a question and wait for the answer. Raises click.ClickException without one."""
        self.tell(question)
        return self.hear()

    def tell(self, question: Mapping[str, Any]) -> None:
        """Send a question without waiting; `hear` waits for the answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # `hear` says that it died

    def hear(self) -> dict[str, Any]:
        """Wait for the answer to the oldest open question. Raises click.ClickException."""
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
    """Answer all questions, in the child process; errors are sent as answers too."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        try:
            out.write(json.dumps(reply) + "\n")
            out.flush()
        except BrokenPipeError:
            return


def time_calls(call: Callable[[], object], seconds: float) -> list[float]:
    """Time calls for `seconds`; returns the seconds of each, at least 3."""
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations) < 3 or time.perf_counter() < end:
        before = time.perf_counter()
        call()
        durations.append(time.perf_counter() - before)
    return durations
