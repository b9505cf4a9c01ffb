"""The bare loop: the work of the service on a photo, without the service, as fast as possible.

One process decodes, resizes and recognises one photo again and again with SCAI's own pixels,
recognizer and engine; for detection it draws and encodes a PNG with OpenCV's default settings.
There are several ways to keep all cores busy (`_ways`). Each is tried, and the service is compared
with the fastest.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.children.child import serve
from scai import plugins, settings
from scai.engines.base import cores
from scai.models.cards import ModelCard, SpeedPolicy, load_card
from scai.pictures.pixels import Picture, read_picture
from scai.recognition.recognizer import NONE, Recognizer, Tensor
from scai.recognition.results import Result
from scai.settings import ROOT

_BATCH = 8
# Pictures to decode ahead of the model.
_AHEAD = 2 * _BATCH
_TRIAL_SECONDS = 0.8


class Bare:
    """The loaded model and the photo."""

    def __init__(self, kind: str, config: Path, photo: Path) -> None:
        self._kind = kind
        # As a worker loads it: with the fastest plan by its speed record.
        policy = SpeedPolicy(ROOT / settings.load().cachepath)
        self._card = dataclasses.replace(load_card(config, "default", kind), speed_policy=policy)
        self._data = photo.read_bytes()
        self._recognizer = self._build(self._card, _BATCH)
        single = dataclasses.replace(self._card, threads=1, batch=1, speed_policy=None)
        self._singles = [self._build(single, 1) for _ in range(cores())]
        self._way = ""

    @property
    def facts(self) -> dict[str, Any]:
        """The engine, and the number of results for the photo."""
        [result] = self._infer(self._recognizer, [self._decode(self._recognizer)])
        return {"engine": self._recognizer.engine.name, "results": len(result)}

    def latencies(self, count: int) -> list[float]:
        """Measure the seconds of one photo at a time, `count` times."""
        return [self._time_one() for _ in range(count)]

    def choose(self, trials: int) -> dict[str, float]:
        """Measure every way several times, in turn, and keep the fastest; returns photos a second.

        The best trial of each way counts, because a disturbance can only make a trial slower.
        """
        rates: dict[str, float] = {}
        for _ in range(trials):
            for name, way in self._ways().items():
                rates[name] = max(rates.get(name, 0.0), self._rate(way, _TRIAL_SECONDS)[0])
        self._way = max(rates, key=lambda name: rates[name])
        return rates

    def rate(self, seconds: float) -> tuple[float, float]:
        """Measure photos a second of the fastest way, and processor milliseconds of each."""
        return self._rate(self._ways()[self._way], seconds)

    def _ways(self) -> dict[str, Callable[[float], int]]:
        return {
            "one after the other": self._serially,
            f"batches of {_BATCH}, decoded meanwhile": self._in_batches,
            "threads that share the engine": self._sharing,
            "an engine of one thread on each core": self._apart,
        }

    def _rate(self, way: Callable[[float], int], seconds: float) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        count = way(wall + seconds)
        cpu_seconds = time.process_time() - cpu
        return count / (time.perf_counter() - wall), 1000 * cpu_seconds / count

    def _serially(self, end: float) -> int:
        count = 0
        while time.perf_counter() < end or not count:
            self._one(self._recognizer)
            count += 1
        return count

    def _apart(self, end: float) -> int:
        counts = [0] * len(self._singles)

        def work(number: int) -> None:
            while time.perf_counter() < end or not counts[number]:
                self._one(self._singles[number])
                counts[number] += 1

        return self._threads(work, counts)

    def _sharing(self, end: float) -> int:
        counts = [0] * (cores() + 1)
        engine = threading.Lock()

        def work(number: int) -> None:
            while time.perf_counter() < end or not counts[number]:
                ready = self._decode(self._recognizer)
                with engine:
                    [result] = self._infer(self._recognizer, [ready])
                self._finish(ready[0], result)
                counts[number] += 1

        return self._threads(work, counts)

    def _threads(self, work: Callable[[int], None], counts: list[int]) -> int:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(counts))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts)

    def _in_batches(self, end: float) -> int:
        count = 0
        with ThreadPoolExecutor(cores()) as pool:
            ahead: list[Future[tuple[Picture, Tensor]]] = []
            after: list[Future[None]] = []
            while time.perf_counter() < end or not count:
                while len(ahead) < _AHEAD:
                    ahead.append(pool.submit(self._decode, self._recognizer))
                ready = [future.result() for future in ahead[:_BATCH]]
                del ahead[:_BATCH]
                results = self._infer(self._recognizer, ready)
                # At most two inference batches may wait.
                for future in after:
                    future.result()
                after = [
                    pool.submit(self._finish, picture, result)
                    for (picture, _), result in zip(ready, results, strict=True)
                ]
                count += _BATCH
        return count

    def _time_one(self) -> float:
        before = time.perf_counter()
        self._one(self._recognizer)
        return time.perf_counter() - before

    def _one(self, recognizer: Recognizer) -> None:
        ready = self._decode(recognizer)
        [result] = self._infer(recognizer, [ready])
        self._finish(ready[0], result)

    def _decode(self, recognizer: Recognizer) -> tuple[Picture, Tensor]:
        picture = read_picture(self._data, least=recognizer.needed_sides)
        return picture, recognizer.prepare(picture.pixels)

    def _infer(self, recognizer: Recognizer, ready: list[tuple[Picture, Tensor]]) -> list[Result]:
        sizes = [(picture.width, picture.height) for picture, _ in ready]
        tensors = [tensor for _, tensor in ready]
        return recognizer.run_prepared(tensors, sizes, [NONE] * len(ready))

    def _finish(self, picture: Picture, result: Result) -> None:
        if result.drawing is None:
            return
        import cv2

        from scai.recognition.annotate import draw

        card = self._card
        canvas = draw(picture.pixels, result.drawing, card.line_thickness, card.max_boxes)
        success, _ = cv2.imencode(".png", cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))
        assert success

    def _build(self, card: ModelCard, batch: int) -> Recognizer:
        recognizer: Recognizer = plugins.load("workers", self._kind).build(card, batch)
        return recognizer


def main() -> None:
    """Answer {kind, config, photo, trials} first, then each {latencies: n} or {seconds: s}."""
    bare: list[Bare] = []

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        if not bare:
            bare.append(Bare(question["kind"], Path(question["config"]), Path(question["photo"])))
            rates = bare[0].choose(question["trials"])
            return {**bare[0].facts, "ways": rates}
        if "latencies" in question:
            return {"latencies": bare[0].latencies(question["latencies"])}
        per_second, cpu_ms = bare[0].rate(question["seconds"])
        return {"per_second": per_second, "cpu_ms": cpu_ms}

    serve(answer)


if __name__ == "__main__":
    main()
