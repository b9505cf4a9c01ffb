"""An installation in which everything is wrong that a check knows of, each in its own session."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from scai.errors import WorkerDied
from scai.jobs.check.finding import Finding
from scai.jobs.check.run import check, repair
from scai.storage import damaged
from scai.storage.disk import Disk
from scai.storage.session import Session
from support.helpers import KIND
from support.queueing import names
from support.working import Installation

OTHER = "object_detection"
DAY = 86400.0


class Damaged:
    """The installation, and its sessions and other names by what is wrong with each.

    `expected` has the code of the finding for each of them; the others are as they should be.
    """

    def __init__(self, folder: Path) -> None:
        self.place = Installation(folder)
        self.pool, self.other_pool = self.place.pool, self.place.settings.pool(OTHER)
        for pool in (self.pool, self.other_pool):
            for name in (".claimed", ".hold", ".owners"):
                (pool / name).mkdir(parents=True)
            (pool / ".blank").touch()
        self.names: dict[str, str] = {}
        self.expected: dict[str, str] = {}
        self.torn: dict[str, bytes] = {}
        self._make_good()
        self._make_bad()
        self._make_debris()
        self.now = time.time() + DAY

    def at(self, folder: Path) -> Damaged:
        """The same names in an installation in another folder."""
        other = copy.copy(self)
        other.place = Installation(folder)
        other.pool = other.place.pool
        other.other_pool = other.place.settings.pool(OTHER)
        return other

    def session(self, role: str) -> Session:
        """The session of that name in `names`."""
        return Session(self.place.root, self.names[role])

    def _add(self, role: str, code: str = "") -> Session:
        session = self.place.session()
        self.names[role] = session.name
        if code:
            self.expected[role] = code
        return session

    def _put(self, session: Session, folder: str = "", name: str = "") -> None:
        path = self.pool / folder / (name or session.name)
        path.write_text("a reason\n" if folder == ".hold" else "")

    def _make_good(self) -> None:
        self._put(self._add("waits"))
        self._put(self._add("held"), ".hold")
        self._add("complete").complete({"predictions": []})
        poison = self._add("poison")
        poison.fail(WorkerDied("it died thrice"))
        self._put(poison, ".hold")

    def _make_bad(self) -> None:
        self._add("lost", "lost")
        session = self._add("abandoned", "abandoned")
        self._put(session, ".claimed", f"{session.name}@gone-1-ab+1")
        session = self._add("waits and held", "double")
        self._put(session)
        self._put(session, ".hold")
        session = self._add("done and waits", "has_verdict")
        session.complete({"predictions": []})
        self._put(session)
        session = self._add("done and held", "has_verdict")
        session.complete({"predictions": []})
        self._put(session, ".hold")
        session = self._add("elsewhere", "wrong_queue")
        (self.other_pool / session.name).touch()
        session = self._add("torn record", "damaged")
        self._tear("torn record", session.path / "process.json", 40)
        self._put(session)
        session = self._add("torn result", "damaged")
        session.complete({"predictions": []})
        self._tear("torn result", session.path / "result.json", 20)
        session = self._add("no record", "no_record")
        (session.path / "process.json").unlink()
        self._put(session)
        old, older = names(2)
        self.names |= {"ticket alone": old, "hold alone": older}
        self.expected |= {"ticket alone": "no_session", "hold alone": "no_session"}
        (self.pool / old).touch()
        (self.pool / ".hold" / older).write_text("no such session\n")

    def _tear(self, role: str, file: Path, length: int) -> None:
        self.torn[role] = file.read_bytes()[:length]
        file.write_bytes(self.torn[role])

    def _make_debris(self) -> None:
        root = self.place.root
        makers: dict[Path, tuple[str, Callable[[Path], object]]] = {
            root / ".new-d-20261130-00": ("debris", Path.mkdir),
            root / ".gone-d-20261130-00": ("debris", Path.mkdir),
            root / ".up-1": ("debris", Path.touch),
            self.session("waits").path / ".process.json.12-34-5": ("debris", Path.touch),
            self.pool / ".claimed" / "README": ("stray", Path.touch),
            self.pool / ".hold" / "folder": ("stray", Path.mkdir),
            self.pool / ".owners" / "folder.lock": ("stray", Path.mkdir),
            self.pool / ".owners" / "gone-2-cd.json": ("stray", Path.touch),
        }
        for path, (code, make) in makers.items():
            make(path)
            self.names[path.name] = os.fspath(path)
            self.expected[path.name] = code
        (root / ".new-d-20261130-00" / "input.jpg").touch()


def places(pool: Path, name: str) -> list[str]:
    """Where the job of a session is in one queue's folder."""
    found = ["waits"] if (pool / name).exists() else []
    claimed = [file for file in os.listdir(pool / ".claimed") if file.startswith(f"{name}@")]
    found += ["claimed"] * len(claimed)
    return found + (["held"] if (pool / ".hold" / name).exists() else [])


def look(place: Installation, now: float, *, act: bool = False, only: str = "") -> list[Finding]:
    """One check of everything; with `act`, each finding is repaired, or those of one code."""
    with ExitStack() as stack:
        queues = {kind: stack.enter_context(place.queue(kind)) for kind in (KIND, OTHER)}
        found = []
        for finding in check(place.root, queues, disk=Disk(place.policy), now=now):
            found.append(finding)
            if act and only in ("", finding.code):
                problem = repair(finding)
                assert not problem, f"{finding}: {problem}"
        return found


# What becomes of the sessions, whatever dies on the way: state, and places in their own queue.
RIGHT = {
    "waits": ("initialization", ["waits"]),
    "held": ("initialization", ["held"]),
    "complete": ("complete", []),
    "poison": ("failure", ["held"]),
    "lost": ("initialization", ["waits"]),
    "abandoned": ("initialization", ["waits"]),
    "waits and held": ("initialization", ["held"]),
    "done and waits": ("complete", []),
    "done and held": ("complete", []),
    "elsewhere": ("initialization", ["waits"]),
    "torn record": ("failure", ["held"]),
    "torn result": ("complete", ["held"]),
}


def assert_right(broken: Damaged) -> None:
    assert look(broken.place, broken.now) == []
    now = {
        role: (broken.session(role).state, places(broken.pool, broken.names[role]))
        for role in RIGHT
    }
    assert now == RIGHT
    assert places(broken.other_pool, broken.names["elsewhere"]) == []
    for role in ("ticket alone", "hold alone", "no record"):
        assert places(broken.pool, broken.names[role]) == []
        assert not (broken.place.root / broken.names[role]).exists()
    # Nothing that is torn is lost
    kept = broken.place.root / damaged.FOLDER
    contents = [file.read_bytes() for file in kept.iterdir() if file.is_file()]
    assert broken.torn["torn record"] in contents
    result = broken.session("torn result").path / "result.json"
    assert result.read_bytes() == broken.torn["torn result"]
    [aside] = [folder for folder in kept.iterdir() if folder.is_dir()]
    assert os.listdir(aside) == ["input.jpg"]
