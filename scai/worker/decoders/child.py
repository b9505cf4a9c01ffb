"""The program of a helper: `python -m scai.worker.decoders.child JSON`.

It imports what it needs, enters its sandbox, says "ready", and answers one question after the
other until the worker closes the channel. A question says how many bytes of the shared memory are
the input; the answer, how many behind them are pixels.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

import numpy as np

from scai.errors import MISTAKE, BadImage, OutOfResources, ScaiError
from scai.pictures.header import Limits
from scai.processes import PARENT, tie_to
from scai.worker.decoders import sandbox, wire

# Longest text of an error that is told, in characters.
_LONGEST = 1000


def main() -> None:
    """Answer until the worker is gone."""
    # A stop may be told to all processes of a service: the worker decides, and ends its helpers.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    order = json.loads(sys.argv[1])
    parent = int(os.environ[PARENT])
    decode = _load(order["decode"])
    channel = wire.Channel(socket.socket(fileno=order["channel"]))
    memory = wire.SharedMemory(order["memory"], order["size"])
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # when the machine runs out of memory, this process goes first
    # What libraries complain of from here on is about a stranger's picture.
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    gained = sandbox.enter(order["room"])
    # After the change of user, which undoes it.
    tie_to(parent, signal.SIGKILL)
    channel.send({"ready": True, "gained": gained})
    limits = Limits(**order["limits"])
    while True:
        try:
            question = channel.receive()
        except wire.WireError:
            return
        sandbox.limit_processor_time(order["seconds"])
        channel.send(_answer(question, decode, memory, limits))


def _load(name: str) -> Any:
    """The function `module:function`; its module is made ready, because it cannot import later."""
    module_name, function = name.split(":")
    module = importlib.import_module(module_name)
    if hasattr(module, "warm_up"):
        module.warm_up()
    return getattr(module, function)


def _answer(
    question: dict[str, Any], decode: Any, memory: wire.SharedMemory, limits: Limits
) -> dict[str, Any]:
    size, least, needed = question["size"], question["least"], question["needed"]
    try:
        with memory.view(0, size) as view:
            data = bytes(view)
        picture = decode(data, limits, tuple(least) if least else None)
        pixels = np.ascontiguousarray(picture.pixels, np.uint8)
        with memory.view(size, pixels.nbytes) as view:
            view[:] = pixels.data.cast("B")
        return {
            "rows": pixels.shape[0],
            "columns": pixels.shape[1],
            "width": picture.width,
            "height": picture.height,
            "orientation": picture.orientation,
        }
    except BadImage as error:
        if error.details.get("stage") == "decode" and not _is_free(needed):
            # Some decoders tell a lack of memory as damage.
            return _message_of(OutOfResources("the decoder had too little memory", stage="decode"))
        return _message_of(error)
    except ScaiError as error:
        return _message_of(error)
    except MemoryError:
        return _message_of(OutOfResources("the decoder had too little memory", stage="decode"))
    except Exception as error:
        return {**_message_of(ScaiError(MISTAKE)), "bug": repr(error)[:_LONGEST]}


def _message_of(error: ScaiError) -> dict[str, Any]:
    details = {k: v for k, v in error.to_dict().items() if isinstance(v, (int, float, str))}
    return {"error": {k: v[:_LONGEST] if isinstance(v, str) else v for k, v in details.items()}}


def _is_free(size: int) -> bool:
    """Whether so many bytes of memory can be had now."""
    try:
        mmap.mmap(-1, max(1, size)).close()
    except (OSError, MemoryError):
        return False
    return True


if __name__ == "__main__":
    main()
