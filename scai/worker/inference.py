"""Run an inference batch through its model: each task comes out with its outcome."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from scai.errors import MISTAKE, ScaiError
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.recognition.results import Result
from scai.worker.outcomes import Complete, Failed
from scai.worker.task import Task

log = logging.getLogger(__name__)


def infer(models: ModelCache, tasks: list[Task]) -> Iterator[tuple[Task, Complete | Failed]]:
    """Run tasks of one model. When a batch fails, each picture is tried alone."""
    try:
        recognizer = _recognizer(models, tasks[0].model)
        results = _recognize(recognizer, tasks)
    except ScaiError as error:
        if len(tasks) == 1:
            yield tasks[0], Failed(error)
            return
        for task in tasks:
            yield from infer(models, [task])
        return
    for task, result in zip(tasks, results, strict=True):
        yield task, Complete(result, recognizer)


def _recognizer(models: ModelCache, section: str) -> Recognizer:
    try:
        return models.get(section)
    except ScaiError:
        raise
    except Exception as error:
        log.exception("model %r cannot be loaded", section)
        raise ScaiError("the model cannot be loaded; the server's log says more") from error


def _recognize(recognizer: Recognizer, tasks: list[Task]) -> list[Result]:
    start = time.perf_counter()
    try:
        for task in tasks:
            if task.tensor is None:
                task.tensor = recognizer.prepare(task.pixels)
        tensors = [task.tensor for task in tasks if task.tensor is not None]
        sizes = [task.image_size for task in tasks]
        options = [task.options for task in tasks]
        results = recognizer.run_prepared(tensors, sizes, options)
    except ScaiError:
        raise
    except Exception as error:
        log.exception("model %s failed on %d images", recognizer.card.name, len(tasks))
        raise ScaiError(MISTAKE) from error
    infer_ms = (time.perf_counter() - start) * 1000
    for task in tasks:
        task.times["infer_ms"] = infer_ms
        task.batch = len(tasks)
    return results
