"""A worker that drains a queue with one of its design decisions undone."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.children.child import serve
from scai import plugins, settings
from scai.models import cards
from scai.pictures import png
from scai.pictures.header import ImageInfo, Limits, probe
from scai.pictures.pixels import read_picture
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.settings import ROOT
from scai.storage.disk import Disk
from scai.storage.session import Session, Upload
from scai.worker.decoders.helper import Terms
from scai.worker.decoders.pool import HelperPool
from scai.worker.decoding import PICTURES, Decoder
from scai.worker.pipeline import Worker

AS_IT_IS = "as it is"
ONE_AT_A_TIME = "no pipeline, one batch after the other"
NO_BATCHES = "no batches"
FULL_SIZE = "JPEGs decoded at full size"
PLAIN_ENGINE = "the engine's plain setting"
OPENCV_PNG = "OpenCV's PNG encoder"
ALWAYS = "durability always"
OFF = "durability off"
ALL_IN_HELPERS = "every picture decoded in a helper"
NO_HELPERS = "everything decoded in the worker"
_LOOK = 0.005  # seconds between two checks whether the queue is empty


class Drain:
    """One worker with one decision undone, and a queue of sessions of one photo."""

    def __init__(self, kind: str, config: Path, photo: Path, folder: Path, undo: str) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._kind, self._undo, self._photo = kind, undo, photo.read_bytes()
        self._disk = Disk({ALWAYS: "always", OFF: "off"}.get(undo, "group"))
        self._sessions = folder / "session"
        self._sessions.mkdir(parents=True)
        self._pool = folder / "pooling"
        self._batch = 1 if undo == NO_BATCHES else 8
        if undo == OPENCV_PNG:
            png.available = lambda: False
        build = plugins.load("workers", kind).build
        card = cards.load_card(config, "default", kind)
        if undo != PLAIN_ENGINE:
            card = replace(card, speed_policy=cards.SpeedPolicy(ROOT / settings.load().cachepath))
        recognizer: Recognizer = build(card, self._batch)
        if undo == FULL_SIZE:
            type(recognizer).needed_sides = property(lambda self: None)  # type: ignore[assignment]
        self._models = ModelCache(lambda section: recognizer)
        self._models.get()

    def run(self, count: int) -> dict[str, float]:
        """Run `count` waiting jobs; returns jobs a second, and processor milliseconds of each."""
        queue = DirectoryQueue(self._pool, self._kind, disk=self._disk)
        quick = Disk("off")
        for _ in range(count):
            Session.create(
                self._sessions,
                self._kind,
                Upload(self._photo, ".jpg"),
                queue=queue,
                disk=quick,
            )
        decoder = Decoder(read_picture, _unknown) if self._undo == ALL_IN_HELPERS else PICTURES
        limits, options = Limits(), settings.load()
        terms = Terms(decoder.name, limits, options.decode_deadline, options.decode_memory_bytes)
        worker = Worker(
            queue,
            self._models,
            self._sessions,
            batch=self._batch,
            limits=limits,
            decoder=decoder,
            helpers=None if self._undo == NO_HELPERS else HelperPool(terms),
            disk=self._disk,
            threads=len(os.sched_getaffinity(0)),
        )
        before = time.perf_counter(), time.process_time()
        after = self._drain(worker, queue)
        wall, cpu = after[0] - before[0], after[1] - before[1]
        worker.close()
        shutil.rmtree(self._sessions)
        self._sessions.mkdir()
        return {"per_second": count / wall, "cpu_ms": 1000 * cpu / count}

    def _drain(self, worker: Worker, queue: DirectoryQueue) -> tuple[float, float]:
        """Return wall time and processor time at the moment the queue was empty."""
        if self._undo == ONE_AT_A_TIME:
            while worker.step():
                pass
            return time.perf_counter(), time.process_time()
        ends: list[tuple[float, float]] = []

        def stop_when_empty() -> None:
            while len(queue) or queue.claims():
                time.sleep(_LOOK)
            ends.append((time.perf_counter(), time.process_time()))
            worker.stop()

        stopper = threading.Thread(target=stop_when_empty)
        stopper.start()
        worker.run()
        stopper.join()
        return ends[0]


def _unknown(data: bytes, limits: Limits) -> ImageInfo:
    """A look that calls nothing harmless."""
    return replace(probe(data, limits), one_pass=False)


def _answers() -> Callable[[dict[str, Any]], dict[str, Any]]:
    drain: Drain | None = None

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        nonlocal drain
        if drain is None:
            config, photo, folder = (Path(question[key]) for key in ("config", "photo", "folder"))
            drain = Drain(question["kind"], config, photo, folder, question["undo"])
            drain.run(8)
            return {}
        return drain.run(int(question["count"]))

    return answer


if __name__ == "__main__":
    serve(_answers())
