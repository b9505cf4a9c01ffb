"""A decoder that does what the input tells it to, as a bug in a real one might."""

from __future__ import annotations

from pathlib import Path

import pytest

from scai.pictures.header import Limits
from scai.worker.decoders.helper import Terms

_MODULE = '''
"""The first word of the input is what to do."""

import ctypes
import os
import signal
import socket
import time

import numpy as np

from scai.errors import BadImage
from scai.pictures.pixels import Picture


def decode(data, limits, least):
    text = data.decode().partition("+")[0].removeprefix("harmless")
    word, _, rest = text.strip().partition(" ")
    try:
        result = globals()["do_" + word](rest)
    except OSError as error:
        raise BadImage(f"{type(error).__name__} {error.errno}", stage="decode") from None
    pixels = result if isinstance(result, np.ndarray) else np.full((2, 3, 3), 7, np.uint8)
    return Picture(pixels, pixels.shape[1], pixels.shape[0])


def do_good(level):
    return np.full((2, 3, 3), int(level or 7), np.uint8)


def do_large(side):
    return np.full((int(side), int(side), 3), 5, np.uint8)


def do_crash(_):
    ctypes.string_at(0)


def do_leave(_):
    os._exit(3)


def do_spin(seconds):
    end = time.process_time() + float(seconds or 1e9)
    while time.process_time() < end:
        pass


def do_sleep(seconds):
    time.sleep(float(seconds))


def do_haltingly(seconds):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        do_spin(0.02)
        time.sleep(0.2)


def do_fill(size):
    bytearray(int(size))


def do_refuse(message):
    raise BadImage(message, stage="decode")


def do_mistake(message):
    raise ValueError(message)


def do_open(path):
    open(path).close()


def do_write(path):
    os.close(2)  # a free number does not help
    open(path, "w").close()


def do_remove(path):
    os.unlink(path)


def do_rename(path):
    os.rename(path, path + ".moved")


def do_socket(family):
    socket.socket(getattr(socket, family)).close()


def do_fork(_):
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def do_signal(pid):
    os.kill(int(pid), signal.SIGTERM)
'''
LIMITS = Limits(max_bytes=10_000, max_pixels=1_000_000)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the module into a folder where helpers find it; its name as in `Terms.decode`."""
    (folder / "toy_decoder.py").write_text(_MODULE)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return "toy_decoder:decode"


def terms(decode: str, **changes: float) -> Terms:
    """Terms of a helper with the toy decoder: little of everything, unless changed."""
    values = {"seconds": 20.0, "room": 200_000_000, "slow": 60.0, **changes}
    return Terms(decode, LIMITS, values["seconds"], int(values["room"]), values["slow"])
