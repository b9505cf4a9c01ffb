"""Installations on the disk with workers that are stepped by hand, for tests of whole jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scai.models import cards
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.settings import Settings
from scai.storage.disk import Disk
from scai.storage.session import Session, Upload
from scai.worker.pipeline import Worker
from support.helpers import KIND, Clock, picture
from workers.image_classification import build


class Installation:
    """Folders and settings of an installation below `folder`, with one model that needs no file.

    `policy`: when its queues flush what they write
    """

    def __init__(self, folder: Path, policy: str = "off") -> None:
        self.policy = policy
        folder.mkdir(exist_ok=True)
        (folder / "labels.txt").write_text("black\ndark\ngrey\nlight\nwhite\n")
        for kind, key in ((KIND, "LABELS"), ("object_detection", "PATH_TO_LABELS")):
            (folder / f"{kind}.config").write_text(
                f"[default]\nENGINE = fake\n{key} = labels.txt\n"
            )
        self.settings = Settings(
            sessionpath=folder / "session",
            icpoolpath=folder / "pooling" / KIND,
            odpoolpath=folder / "pooling" / "object_detection",
            icconfig=folder / f"{KIND}.config",
            odconfig=folder / "object_detection.config",
            durability="off",
        )
        self.root, self.pool = self.settings.sessionpath, self.settings.pool(KIND)
        self.root.mkdir(exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """The settings as a command line sees them."""
        names = ("sessionpath", "icpoolpath", "odpoolpath", "icconfig", "odconfig", "durability")
        return {f"SCAI_{name.upper()}": str(getattr(self.settings, name)) for name in names}

    @contextmanager
    def queue(self, kind: str = KIND) -> Iterator[DirectoryQueue]:
        """The queue of a kind, closed at the end."""
        queue = DirectoryQueue(
            self.settings.pool(kind), kind, doorbell=False, disk=Disk(self.policy)
        )
        try:
            yield queue
        finally:
            queue.close()

    def session(self, kind: str = KIND, *, queue: DirectoryQueue | None = None) -> Session:
        """A new session, which waits in `queue` if there is one."""
        disk = Disk("off")
        session = Session.create(self.root, kind, Upload(picture(), ".jpg", "a.jpg"), disk=disk)
        if queue is not None:
            queue.put(Job(session.name, kind))
        return session

    def work(self, queue: DirectoryQueue) -> None:
        """Let a worker do all that waits."""
        models = ModelCache(
            lambda section: build(cards.load_card(self.settings.icconfig, section, KIND))
        )
        clock = Clock(0.0)
        worker = Worker(queue, models, self.root, sleep=clock.sleep, clock=clock)
        try:
            while worker.step():
                pass
        finally:
            worker.close()
