"""Whether a worker recognises pictures, also while nobody sends one.

A canary is a small picture that goes the way of a photo: a decoding thread decodes it, and the loop
that runs the engine recognises it with the default model. Nothing of it is stored.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable

from scai.pictures.pixels import Picture
from scai.recognition.loaded_models import ModelCache
from scai.storage.clocks import boot_time

log = logging.getLogger(__name__)

_SIDE = 64
# Seconds between two reports of the last recognition while photos come.
_REPORT_PERIOD = 5.0


def picture() -> bytes:
    """The canary as a file: a PNG with levels of grey from black to white."""
    rows = b"".join(b"\0" + bytes([4 * row]) * _SIDE for row in range(_SIDE))
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


class Canary:
    """Notes when a picture was last recognised, and sends a canary when that is `period` s ago.

    decode: turns the canary into pixels, for a model that needs at least these sides; aside: runs
    that in a decoding thread; tell: publishes the time as the fact `recognised`, in seconds since
    the machine's start. `turn` and `note` belong to the loop that runs the engine.
    """

    def __init__(
        self,
        models: ModelCache,
        decode: Callable[[bytes, tuple[int, int] | None], Picture],
        aside: Callable[[Callable[[], None]], object],
        tell: Callable[..., None],
        period: float,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._models = models
        self._decode_input = decode
        self._aside = aside
        self._tell = tell
        self._period = period
        self._clock = clock
        self._file = picture()
        self._decoded: Picture | None = None
        self._decoding = False
        self._sent_at = self._recognised_at = self._told_at = -float("inf")

    def note(self) -> None:
        """Note that a picture was recognised just now."""
        self._recognised_at = self._clock()
        if self._recognised_at - self._told_at >= min(_REPORT_PERIOD, self._period):
            self._told_at = self._recognised_at
            self._tell(recognised=round(self._recognised_at, 1))

    def turn(self) -> None:
        """Recognise the canary that was decoded, or let one be decoded if it is time."""
        decoded, self._decoded = self._decoded, None
        if decoded is not None:
            self._recognise(decoded)
            return
        now = self._clock()
        if self._decoding or now - max(self._recognised_at, self._sent_at) < self._period:
            return
        self._decoding, self._sent_at = True, now
        self._aside(self._decode)

    def recognise_now(self) -> None:
        """Decode and recognise a canary in this thread, before any loop runs."""
        self._decode()
        self.turn()

    def _decode(self) -> None:
        try:
            recognizer = self._models.loaded()
            sides = recognizer.needed_sides if recognizer else None
            self._decoded = self._decode_input(self._file, sides)
        except Exception as error:
            log.error("the canary was not decoded: %s", error)
        finally:
            self._decoding = False

    def _recognise(self, decoded: Picture) -> None:
        try:
            self._models.get().recognize([decoded.pixels])
        except Exception as error:
            log.error("the canary was not recognised: %s", error)
        else:
            self.note()
