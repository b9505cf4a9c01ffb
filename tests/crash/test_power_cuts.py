"""A power cut at any moment, with any legal loss: every promise that was answered holds."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from support.helpers import KIND, picture
from support.power_cut.recorder import Recorder
from support.power_cut.states import states

from scai.jobs.batches.portion import PortionPhoto
from scai.jobs.batches.service import BatchService
from scai.jobs.holds import Holds
from scai.jobs.retention import purge
from scai.jobs.service import JobService
from scai.models import cards
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.settings import Settings
from scai.storage.batch import Batch, is_photo
from scai.storage.disk import Disk
from scai.storage.session import Session, Upload
from scai.worker.pipeline import Worker
from workers.image_classification import build

pytestmark = pytest.mark.slow

DAY = 86400.0
WHITE = picture(color=(250, 250, 250))


class Installation:
    """Queue, sessions and a worker in the folder `root`, as after a start of the machine."""

    def __init__(self, root: Path, models: ModelCache, policy: str = "off") -> None:
        self.root = root
        self.disk = Disk(policy)
        self.sessions = root / "session"
        self.sessions.mkdir(parents=True, exist_ok=True)
        self.queue = DirectoryQueue(root / "pool", KIND, doorbell=False, disk=self.disk)
        self._models = models

    def upload(self) -> Session:
        upload = Upload(WHITE, ".jpg", "white.jpg")
        return Session.create(self.sessions, KIND, upload, queue=self.queue, disk=self.disk)

    def batches(self) -> BatchService:
        settings = Settings(sessionpath=self.sessions, icpoolpath=self.root / "pool")
        service = JobService(settings, {KIND: self.queue}, disk=self.disk)
        return BatchService(service, settings, self.disk)

    def work(self, max_attempts: int = 3) -> None:
        """Run until no job waits."""
        worker = Worker(
            self.queue,
            self._models,
            self.sessions,
            disk=self.disk,
            max_attempts=max_attempts,
            sleep=lambda _: None,
            clock=iter(map(float, range(10**9))).__next__,
        )
        try:
            self.queue.recover()
            while worker.step():
                pass
        finally:
            worker.close()


@pytest.fixture
def models(fake_models: Path) -> ModelCache:
    return ModelCache(lambda section: build(cards.load_card(fake_models, section, KIND)))


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of states are built there."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


Act = Callable[[Installation, Callable[[str], None]], None]


def check(
    root: Path, models: ModelCache, before: Act | None, act: Act, repeat: bool = False
) -> int:
    """Cut the power at every moment of `act`, recover, and judge; return the number of states.

    `before` prepares what is durable. With `repeat`, the recovery of each tenth state is cut, too.
    """
    start = Installation(root / "start", models, "always")
    if before is not None:
        before(start, lambda _: None)
    with Recorder(start.root) as recorder:
        act(start, recorder.answer)
    start.queue.close()
    assert recorder.changes
    count = 0
    for state in states(recorder.start, recorder.changes):
        after = root / f"after-{count}"
        state.tree.build(after)
        count += 1
        recovery = _recover(after, models, record=repeat and count % 10 == 0)
        _judge(after, state.answers)
        if recovery is not None:
            for inner in states(recovery.start, recovery.changes):
                again = root / f"after-{count}"
                inner.tree.build(again)
                count += 1
                _recover(again, models)
                _judge(again, state.answers)
    return count


def _recover(root: Path, models: ModelCache, record: bool = False) -> Recorder | None:
    """What a start of the machine does: workers run all that waits, and the cleaner passes."""
    if record:
        with Recorder(root) as recorder:
            _recover_now(root, models, "always")
        return recorder
    _recover_now(root, models, "off")
    return None


def _recover_now(root: Path, models: ModelCache, policy: str) -> None:
    installation = Installation(root, models, policy)
    installation.work()
    purge(installation.sessions, [installation.queue], 30 * DAY)
    installation.queue.close()


def _judge(root: Path, answers: tuple[str, ...]) -> None:
    """Hold the recovered installation against what was answered before the cut."""
    sessions = root / "session"
    left = [name for name in (root / "pool").iterdir() if not name.name.startswith(".")]
    assert not left, "nothing waits any more"
    assert not list((root / "pool" / ".claimed").iterdir())
    for folder in sessions.glob("d-*"):
        if (folder / "process.json").exists():
            state = Session(sessions, folder.name).state
            # One without a ticket was never answered. `scai queue check` finds it.
            assert state in ("initialization", "complete", "failure")
            verdict = folder / "result.json"
            if state != "initialization":
                assert json.loads(verdict.read_text())["state"] == state
    for answer in answers:
        act, name = answer.split()
        session = Session(sessions, name) if name.startswith("d-") else None
        if act == "removed":
            assert session is not None and not session.path.exists()
        elif session is not None and f"removed {name}" not in answers:
            record = session.record()
            assert record["state"] == "complete" and "white" in record["result"], answer
        elif session is None:
            lines, _ = Batch(sessions, name).lines(0)
            taken = [line["task"] for line in lines if is_photo(line)]
            assert len(taken) == len(set(taken)) == 2
            assert all(Session(sessions, task).state == "complete" for task in taken)


def upload(site: Installation, answer: Callable[[str], None]) -> None:
    answer(f"accepted {site.upload().name}")


def test_an_upload_that_was_answered_gets_its_verdict(root: Path, models: ModelCache) -> None:
    assert check(root, models, None, upload) > 10


def test_two_uploads_do_not_harm_each_other(root: Path, models: ModelCache) -> None:
    def two(site: Installation, answer: Callable[[str], None]) -> None:
        upload(site, answer)
        upload(site, answer)

    assert check(root, models, None, two) > 25


def test_a_verdict_is_whole_or_comes_again(root: Path, models: ModelCache) -> None:
    def work(site: Installation, answer: Callable[[str], None]) -> None:
        [folder] = site.sessions.glob("d-*")
        answer(f"accepted {folder.name}")
        site.work()
        answer(f"complete {folder.name}")

    assert check(root, models, upload, work, repeat=True) > 100


def test_a_removal_leaves_no_half(root: Path, models: ModelCache) -> None:
    def remove(site: Installation, answer: Callable[[str], None]) -> None:
        for folder in site.sessions.glob("d-*"):
            session = Session(site.sessions, folder.name)
            key = session.record()["key"]
            settings = Settings(sessionpath=site.sessions, icpoolpath=site.root / "pool")
            JobService(settings, {KIND: site.queue}, disk=site.disk).remove(KIND, folder.name, key)
            answer(f"removed {folder.name}")

    def two(site: Installation, answer: Callable[[str], None]) -> None:
        upload(site, answer)
        site.work()
        upload(site, answer)

    assert check(root, models, two, remove) > 10


def test_a_release_that_was_answered_leads_to_a_new_verdict(root: Path, models: ModelCache) -> None:
    def give_up(site: Installation, answer: Callable[[str], None]) -> None:
        upload(site, answer)
        site.work(max_attempts=0)

    def release(site: Installation, answer: Callable[[str], None]) -> None:
        [folder] = site.sessions.glob("d-*")
        assert Session(site.sessions, folder.name).state == "failure"
        Holds(site.sessions, {KIND: site.queue}, disk=site.disk).release(folder.name)
        answer(f"released {folder.name}")

    assert check(root, models, give_up, release) > 10


def test_a_batch_keeps_what_it_has_taken(root: Path, models: ModelCache) -> None:
    def make(site: Installation, answer: Callable[[str], None]) -> None:
        batches = site.batches()
        progress = batches.create(KIND, {})
        photos = [
            PortionPhoto(name, at, lambda: nullcontext(WHITE)) for at, name in enumerate("ab")
        ]
        result = batches.add(progress, photos, last=True)
        assert len(result.items) == 2
        answer(f"batch {progress.batch.name}")

    assert check(root, models, None, make) > 30
