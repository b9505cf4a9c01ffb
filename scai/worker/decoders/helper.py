"""One helper process as the worker sees it: it is asked, waited for, and ended."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scai.errors import MISTAKE, BadImage, OutOfResources, ScaiError, TooExpensive
from scai.pictures.header import Limits
from scai.pictures.pixels import Picture
from scai.processes import Process, describe_exit, processor_time, start_child
from scai.worker.decoders.wire import Channel, SharedMemory, WireError

log = logging.getLogger(__name__)

PROGRAM = ("-m", "scai.worker.decoders.child")
# Seconds that a helper may take to start.
_START = 30.0
# Seconds between two looks whether the worker stops, while a slow picture is being decoded.
_LOOK = 0.25
# Niceness of a helper from the moment its picture counts as slow: others go first.
_SLOW_NICE = 10
_BYTES_OF_A_PIXEL = 3


class HelperDied(Exception):
    """A helper ended, or was ended, before it answered; the text says how."""


class Interrupted(Exception):
    """The worker stops, so the helper was ended while it decoded a slow picture."""


@dataclass(frozen=True)
class Terms:
    """What a helper decodes, and what it may use.

    decode: the function `module:function` that it imports; limits: of an input; seconds: of
    processor time for one input; room: bytes of memory for one input, beyond those of the program;
    slow: seconds after which an input counts as slow
    """

    decode: str
    limits: Limits
    seconds: float
    room: int
    slow: float = 1.0

    @property
    def shared(self) -> int:
        """Bytes of the memory shared with a helper: the largest file, and the most pixels."""
        return self.limits.max_bytes + 1 + _BYTES_OF_A_PIXEL * self.limits.max_pixels


class Helper:
    """A running helper. Not for several threads at once.

    `program` is what Python runs. Its process dies with the thread that started it, so that thread
    must live as long as the worker. Raises HelperDied or OSError when it cannot be started.
    """

    def __init__(self, terms: Terms, program: Sequence[str] = PROGRAM) -> None:
        self._terms = terms
        self._memory = SharedMemory.create(terms.shared)
        ours, theirs = socket.socketpair()
        self._channel = Channel(ours)
        self.is_ended = False
        # Whether an input was slow here: such a helper runs after all others, so it is not kept.
        self.was_slow = False
        try:
            self._process = _start(program, terms, theirs, self._memory)
        except BaseException:
            self._memory.close()
            self._channel.close()
            raise
        finally:
            theirs.close()
        try:
            answer = self._channel.receive(_START)
        except (WireError, TimeoutError) as error:
            raise HelperDied(f"it did not start: {describe_exit(self._end())}") from error
        # What its system could do to keep it in, such as ["landlock", "nobody"].
        self.gained = [str(name) for name in answer.get("gained", [])]

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    def decode(
        self,
        data: bytes,
        least: tuple[int, int] | None,
        needed: int,
        *,
        on_slow: Callable[[], None] = lambda: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> Picture:
        """Decode an input; `least` as in `read_picture`, `needed` estimates the bytes it takes.

        `on_slow` is called once the input counts as slow; from then on, `is_stopping` is asked now
        and then. Raises what the decoder raises, TooExpensive and OutOfResources; HelperDied and
        Interrupted, after which this helper is of no more use.
        """
        try:
            with self._memory.view(0, len(data)) as view:
                view[:] = data
            self._channel.send({"size": len(data), "least": least, "needed": needed})
            answer = self._wait(on_slow, is_stopping)
            if "error" in answer:
                raise _error(answer)
            return self._picture(answer, len(data))
        except WireError as error:
            raise self._death(error) from error

    def kill(self) -> None:
        """End the process, from any thread; whoever waits for its answer finds out."""
        self._process.kill()

    def end(self) -> None:
        """End the process, whatever it does, and let go of what belongs to it."""
        if not self.is_ended:
            self._process.kill()
            self._end()

    def _wait(self, on_slow: Callable[[], None], is_stopping: Callable[[], bool]) -> dict[str, Any]:
        """The answer; after `slow` seconds with less haste, as long as the helper gets on.

        One whose processor time stands still for as long as an input may take is stopped or hangs,
        which is not known to be the input's fault.
        """
        terms = self._terms
        with suppress(TimeoutError):
            return self._channel.receive(terms.slow)
        self.was_slow = True
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.pid, _SLOW_NICE)
        on_slow()
        used, since = processor_time(self.pid), time.monotonic()
        while time.monotonic() < since + terms.seconds:
            with suppress(TimeoutError):
                return self._channel.receive(_LOOK)
            if is_stopping():
                self.end()
                raise Interrupted
            now_used = processor_time(self.pid)
            if now_used is not None and now_used != used:
                used, since = now_used, time.monotonic()
        self.end()
        raise HelperDied("it did not answer in time")

    def _death(self, error: WireError) -> Exception:
        """What the end of the process means for its input."""
        code = self._end()
        if code != -signal.SIGXCPU:
            return HelperDied(f"{describe_exit(code)} ({error})")
        seconds = self._terms.seconds
        return TooExpensive(
            f"expected a picture that is decoded within {seconds:g} s of processor time",
            stage="decode",
            limit=seconds,
            setting="decode_deadline",
        )

    def _picture(self, answer: dict[str, Any], start: int) -> Picture:
        """The picture that an answer describes; its pixels are copied out of the shared memory."""
        rows, columns, width, height = (
            _number(answer, name) for name in ("rows", "columns", "width", "height")
        )
        size = rows * columns * _BYTES_OF_A_PIXEL
        try:
            with self._memory.view(start, size) as view:
                pixels = np.array(view, np.uint8).reshape(rows, columns, _BYTES_OF_A_PIXEL)
        except MemoryError as error:
            raise OutOfResources("the worker had too little memory", stage="decode") from error
        self._memory.empty(start + size)
        return Picture(pixels, width, height, _number(answer, "orientation", 8))

    def _end(self) -> int:
        """Close the channel, so that the process ends, and wait; returns its exit status."""
        self.is_ended = True
        self._channel.close()
        try:
            code = self._process.wait(_LOOK)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._memory.close()
        return code


def _start(
    program: Sequence[str], terms: Terms, channel: socket.socket, memory: SharedMemory
) -> Process:
    order = {
        "decode": terms.decode,
        "channel": channel.fileno(),
        "memory": memory.descriptor,
        "size": terms.shared,
        "limits": asdict(terms.limits),
        "seconds": terms.seconds,
        "room": terms.room,
    }
    return start_child(
        [sys.executable, *program, json.dumps(order)],
        # One picture at a time, so threads would only take address space.
        {"OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"},
        descriptors=(channel.fileno(), memory.descriptor),
    )


def _number(answer: dict[str, Any], name: str, most: int = 1 << 20) -> int:
    value = answer.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise WireError(f"{name}: expected a number from 1 to {most}")
    return value


def _error(answer: dict[str, Any]) -> ScaiError:
    """The error in an answer; one that no decoder may raise is a mistake."""
    if "bug" in answer:
        log.error("decoding failed: %s", str(answer["bug"])[:1000])
    told = answer["error"]
    error = ScaiError.from_dict(told) if isinstance(told, dict) else ScaiError(MISTAKE)
    return error if isinstance(error, (BadImage, OutOfResources)) else ScaiError(MISTAKE)
