"""A recognizer that tells what it was asked, and sessions whose workers died."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from scai.recognition.recognizer import Options, Recognizer
from scai.storage.session import Session


class Watched:
    """A recognizer that records the batches it is given, and fails as told."""

    def __init__(self, real: Recognizer) -> None:
        self.card, self.engine, self.max_batch = real.card, real.engine, real.max_batch
        self.needed_sides, self.prepare = real.needed_sides, real.prepare
        self._real = real
        self.batches: list[int] = []
        self.fail: Callable[[Sequence[np.ndarray]], None] = lambda tensors: None

    def run_prepared(
        self,
        tensors: Sequence[np.ndarray],
        sizes: Sequence[tuple[int, int]],
        options: Sequence[Options],
    ) -> list:
        self.batches.append(len(tensors))
        self.fail(tensors)
        return self._real.run_prepared(tensors, sizes, options)

    def close(self) -> None:
        self._real.close()


def died_while_running(session: Session, times: int) -> None:
    record = session.record() | {"attempts": times, "state": "processing"}
    (session.path / "process.json").write_text(json.dumps(record))
