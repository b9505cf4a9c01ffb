"""What SCAI makes: with its own rights whatever the umask is, and never through a link."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.helpers import KIND, picture

from scai.errors import BadSession, ConfigError, NotFound, ScaiError
from scai.jobs.retention import purge
from scai.jobs.service import build
from scai.models import cards
from scai.monitoring.journal import Journal
from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.settings import Settings
from scai.storage.batch import Batch
from scai.storage.disk import Disk
from scai.storage.rights import make_folder, new_file, new_folder
from scai.storage.session import Session
from scai.worker.pipeline import Worker
from workers.image_classification import build as build_recognizer


class House:
    """Portal, queue and worker over folders on the disk."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        pools = {"icpoolpath": folder / "pooling" / KIND, "odpoolpath": folder / "pooling" / "od"}
        self.settings = Settings(sessionpath=folder / "session", **pools)
        self.sessions, self.pool = self.settings.sessionpath, self.settings.pool(KIND)
        self.service = build(self.settings)
        self.queue = DirectoryQueue(self.pool, KIND, sweep=0.01)
        load = ModelCache(lambda section: build_recognizer(cards.load_card(models, section, KIND)))
        self.worker = Worker(self.queue, load, self.sessions, journal=Journal(self.pool))

    def submit(self, name: str = "a.jpg") -> Session:
        return self.service.submit(KIND, picture(), name)

    def close(self) -> None:
        self.worker.close()
        self.queue.close()
        self.service.close()


@pytest.fixture
def house(tmp_path: Path, fake_models: Path) -> Iterator[House]:
    house = House(tmp_path / "house", fake_models)
    yield house
    house.close()


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_rights_do_not_depend_on_the_umask(umask: int, tmp_path: Path, fake_models: Path) -> None:
    """A photo with its result, a hold, a batch, a damaged record and an upload that arrives."""
    house = House(tmp_path / "deep" / "house", fake_models)
    try:
        house.submit()
        house.queue.owner.announce(model="m")
        house.queue.owner.beat()
        torn = house.submit()
        (torn.path / "process.json").write_text("{")
        house.worker.step()
        batch = Batch.create(house.sessions, KIND, {}, disk=Disk("off"))
        batch.append([{"name": "a", "error": "b"}])
        os.close(new_file(house.sessions / ".up-1"))
        paths = [house.folder, *house.folder.rglob("*")]
        # The record that somebody else wrote keeps the rights that he gave it.
        ours = [path for path in paths if "corrupt" not in str(path.parent)]
        names = {path.name for path in ours}
        assert {"process.json", "result.json", ".owners", ".journal", "batch.json"} <= names
        for path in ours:
            rights = stat.S_IMODE(path.stat().st_mode)
            assert rights == (0o750 if path.is_dir() else 0o640), path
    finally:
        house.close()


def test_what_is_there_keeps_its_rights(tmp_path: Path, fake_models: Path) -> None:
    """An operator may let a group of programs write tickets."""
    (tmp_path / "house" / "pooling" / KIND).mkdir(parents=True)
    (tmp_path / "house" / "pooling" / KIND).chmod(0o2775)
    house = House(tmp_path / "house", fake_models)
    house.close()
    assert stat.S_IMODE(house.pool.stat().st_mode) == 0o2775


def test_nothing_is_made_through_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for make in (new_file, new_folder):
        with pytest.raises(FileExistsError):
            make(link)
    with pytest.raises(OSError):
        make_folder(link)
    target.mkdir()
    with pytest.raises(NotADirectoryError):
        make_folder(link)
    assert not list(target.iterdir())


@pytest.mark.parametrize("name", ["draft", "link", "dangling"])
def test_what_lies_under_the_name_of_a_draft_is_removed_and_not_used(
    tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    draft = tmp_path / "file"
    if name == "draft":
        draft.write_text("left by a crash, and longer")
    else:
        draft.symlink_to(precious if name == "link" else tmp_path / "nowhere")
    Disk("off").write(draft, b"new")
    assert draft.read_bytes() == b"new" and not draft.is_symlink()
    assert precious.read_text() == "precious" and not (tmp_path / "nowhere").exists()


class Outside:
    """Files and folders outside, which look like what belongs there."""

    def __init__(self, folder: Path, session: Session) -> None:
        folder.mkdir()
        self.folder = folder
        record = {**session.record(), "state": "initialization"}
        (folder / "session").mkdir()
        for name in ("process.json", "result.json"):
            (folder / "session" / name).write_text(json.dumps(record))
        (folder / "session" / "input.jpg").write_bytes(picture())
        (folder / "claimed").mkdir()
        (folder / "claimed" / f"{session.name}@nobody-1-0+1").touch()
        (folder / "owners").mkdir()
        for suffix in (".lock", ".json", ".beat"):
            (folder / "owners" / f"nobody-1-0{suffix}").write_text("{}")
        (folder / "batch").mkdir()
        head = {"kind": KIND, "key": "k" * 40, "created": 1.0, "expected": 0}
        (folder / "batch" / "batch.json").write_text(json.dumps(head))
        (folder / "batch" / "items.jsonl").write_text("")
        (folder / "precious.txt").write_text("precious")
        for path in [folder, *folder.rglob("*")]:
            os.utime(path, (1, 1))
        self._before = self.state()

    def state(self) -> dict[str, tuple[int, float, int, bytes]]:
        paths = [self.folder, *self.folder.rglob("*")]
        return {
            str(path): (
                path.lstat().st_mode,
                path.lstat().st_mtime,
                path.lstat().st_nlink,
                b"" if path.is_dir() else path.read_bytes(),
            )
            for path in paths
        }

    def check(self) -> None:
        """Fail if anything was written, removed, renamed or linked."""
        assert self.state() == self._before


def plant(at: Path, target: Path) -> None:
    """Put a link in the place of what is there."""
    if at.is_dir() and not at.is_symlink():
        os.rename(at, f"{at}.away")
    else:
        at.unlink(missing_ok=True)
    at.symlink_to(target)


# Where a link is planted, below the house's folder, and what it leads to, outside.
LINKS = [
    ("session/{name}", "session"),
    ("session/{name}/input.jpg", "precious.txt"),
    ("session/{name}/process.json", "precious.txt"),
    ("session/{name}/process.json", "session/process.json"),
    ("session/{name}/result.json", "session/result.json"),
    ("session/{name}/output.png", "precious.txt"),
    ("session/.gone-{name}", "session"),
    ("session/.new-{name}", "session"),
    ("session/.up-1", "precious.txt"),
    ("session/.corrupt", "session"),
    ("session/{batch}", "batch"),
    ("session/{batch}/items.jsonl", "precious.txt"),
    ("session/{batch}/batch.json", "batch/batch.json"),
    ("pooling/{kind}/{name}", "precious.txt"),
    ("pooling/{kind}/.claimed", "claimed"),
    ("pooling/{kind}/.claimed/{name}@nobody-1-0+1", "precious.txt"),
    ("pooling/{kind}/.owners", "owners"),
    ("pooling/{kind}/.owners/nobody-1-0.lock", "precious.txt"),
    ("pooling/{kind}/.owners/nobody-1-0.json", "precious.txt"),
    ("pooling/{kind}/.hold", "claimed"),
    ("pooling/{kind}/.hold/{name}", "precious.txt"),
    ("pooling/{kind}/.blank", "precious.txt"),
    ("pooling/{kind}/.journal", "claimed"),
]


def append(batch: Batch) -> None:
    with batch.lock() as ours:
        assert ours
        batch.append([{"name": "a", "error": "b"}])


def everything(house: House, session: Session, batch: Batch) -> Iterator[Callable[[], object]]:
    """All that portal, worker, cleaner and recovery do with a session and a batch."""
    key = session.first_record["key"]
    queue, name = house.queue, session.name
    yield lambda: house.service.result(KIND, name, key, 0)
    yield lambda: house.submit("other.jpg")
    yield lambda: queue.put(Job(name, KIND))
    yield house.worker.step
    yield house.worker.step
    yield lambda: queue.owner.beat()
    yield lambda: queue.owner.announce(model="m")
    yield queue.recover
    yield lambda: queue.hold(name, "for a reason")
    yield queue.held
    yield lambda: append(batch)
    yield lambda: batch.lines(0)
    yield batch.head
    yield lambda: session.fail(BadSession("broken"))
    yield lambda: house.service.remove(KIND, name, key)
    yield lambda: purge(house.sessions, [queue], keep=-1e9)


@pytest.mark.parametrize(("at", "target"), LINKS)
def test_no_planted_link_leads_out_of_the_folders(
    house: House, tmp_path: Path, at: str, target: str
) -> None:
    session = house.submit()
    batch = Batch.create(house.sessions, KIND, {}, disk=Disk("off"))
    outside = Outside(tmp_path / "outside", session)
    place = house.folder / at.format(name=session.name, batch=batch.name, kind=KIND)
    plant(place, outside.folder / target)
    for act in everything(house, session, batch):
        with suppress(ScaiError, OSError):
            act()
        outside.check()
    # Nothing of it was read, either.
    with suppress(NotFound, BadSession):
        assert "precious" not in json.dumps(session.result())


@pytest.mark.parametrize("folder", [".claimed", ".hold", ".owners"])
def test_a_queue_whose_folder_is_a_link_does_not_start(tmp_path: Path, folder: str) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "pool" / folder).symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match=f"{folder} must be a folder, and no link"):
        DirectoryQueue(tmp_path / "pool", KIND)
