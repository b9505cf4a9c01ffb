"""A whole site in this process: application, queues in memory, workers stepped by hand."""

from __future__ import annotations

import io
import re
import runpy
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from scai import kinds
from scai.jobs.service import JobService
from scai.jobs.times import DEFAULT_TIMES, JobTimes
from scai.kinds import Kind
from scai.models import cards
from scai.queues.memory import MemoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.settings import Settings
from scai.web.app import create_app
from scai.worker.pipeline import Worker


class Site:
    """An application with its queues and workers in this process.

    `more` are further settings, or other values than these.
    """

    def __init__(self, folder: Path, times: JobTimes = DEFAULT_TIMES, **more: Any) -> None:
        usr = folder / "usr"
        usr.mkdir()
        (usr / "labels.txt").write_text("black\ndark\ngrey\nlight\nwhite\n")
        (usr / "image_classification.config").write_text(
            "[default]\nENGINE = fake\nLABELS = labels.txt\n"
            "[other]\nENGINE = fake\n[alias]\nUSE = other\n"
        )
        (usr / "object_detection.config").write_text(
            "[default]\nENGINE = fake\nPATH_TO_LABELS = labels.txt\nLABEL_OFFSET = -1\n"
        )
        values: dict[str, Any] = {
            "sessionpath": folder / "session",
            "icconfig": usr / "image_classification.config",
            "odconfig": usr / "object_detection.config",
            "max_upload_mb": 0.2,
            "max_megapixels": 1.0,
            "max_waiting": 5,
            "durability": "off",
        }
        self.settings = Settings(**{**values, **more})
        self.queues = {kind: MemoryQueue(kind) for kind in self.settings.kinds}
        self.service = JobService(self.settings, self.queues, times=times)
        self.http: FlaskClient = create_app(self.service, self.settings).test_client()
        self.workers = {kind: self._worker(kind) for kind in self.queues}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def _worker(self, kind: str) -> Worker:
        config = self.settings.models_file(kind)
        build = _build_of(self.settings.kinds[kind])
        models = ModelCache(lambda section: build(cards.load_card(config, section, kind)))
        return Worker(self.queues[kind], models, self.settings.sessionpath)

    def csrf_token(self, page: str) -> str:
        """The token in the forms of a page."""
        [token] = set(
            re.findall(r'name="csrf_token" value="([0-9a-f]{40})"', self.http.get(page).text)
        )
        return token

    def post(self, kind: Kind, data: bytes, name: str = "photo.jpg", **form: str) -> dict:
        form_data = {"photo": (io.BytesIO(data), name), **form}
        return self.http.post(kind.upload, data=form_data).get_json()

    def get(self, path: str, answer: dict, **more: str) -> dict:
        query = {"task": answer["sessname"], "key": answer["sesskey"], **more}
        return self.http.get(path, query_string=query, buffered=True).get_json()


def _build_of(kind: Kind) -> Callable[[cards.ModelCard], Recognizer]:
    """The `build` of a kind's worker program, wherever that lies."""
    if kind.file.parent == kinds.FOLDER:
        return import_module(f"workers.{kind.name}").build
    return runpy.run_path(str(kind.file.with_suffix(".py")))["build"]
