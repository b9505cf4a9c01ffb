"""A whole site in this process: application, queues in memory, workers stepped by hand."""

from __future__ import annotations

import io
from pathlib import Path

from flask.testing import FlaskClient

from scai import plugins
from scai.jobs.service import JobService
from scai.kinds import Routes
from scai.models import cards
from scai.queues.memory import MemoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.settings import Settings
from scai.web.app import create_app
from scai.worker.pipeline import Worker


class Site:
    """An application with its queues and workers in this process."""

    def __init__(self, folder: Path) -> None:
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
        self.settings = Settings(
            sessionpath=folder / "session",
            icconfig=usr / "image_classification.config",
            odconfig=usr / "object_detection.config",
            max_upload_mb=0.2,
            max_megapixels=1.0,
            max_waiting=5,
            durability="off",
        )
        self.queues = {kind: MemoryQueue(kind) for kind in plugins.names("workers")}
        self.service = JobService(self.settings, self.queues)
        self.http: FlaskClient = create_app(self.service, self.settings).test_client()
        self.workers = {kind: self._worker(kind) for kind in self.queues}

    def close(self) -> None:
        for worker in self.workers.values():
            worker.close()

    def _worker(self, kind: str) -> Worker:
        config = self.settings.models_file(kind)
        build = plugins.load("workers", kind).build
        models = ModelCache(lambda section: build(cards.load_card(config, section, kind)))
        return Worker(self.queues[kind], models, self.settings.sessionpath)

    def post(self, routes: Routes, data: bytes, name: str = "photo.jpg", **form: str) -> dict:
        form_data = {"photo": (io.BytesIO(data), name), **form}
        return self.http.post(routes.upload, data=form_data).get_json()

    def get(self, path: str, answer: dict, **more: str) -> dict:
        query = {"task": answer["sessname"], "key": answer["sesskey"], **more}
        return self.http.get(path, query_string=query, buffered=True).get_json()
