"""What clients of a storm were answered, and whether the disk keeps every one of those answers."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.kinds import Kind
from scai.storage.session import FINAL, Session


@dataclass
class Accepted:
    """An upload that was answered "success".

    good: whether the picture is sound, so that its verdict must be "complete"
    verdict: the state and text of a final result that a client has seen; None before
    removal: "" | "answered", when its removal was; "asked", when the answer was lost
    """

    name: str
    key: str
    kind: Kind
    good: bool
    verdict: tuple[str, str] | None = None
    removal: str = ""


@dataclass
class Balance:
    """The ledger against the disk: numbers, and a sentence for each broken promise."""

    complete: int = 0
    failed: int = 0
    held: int = 0
    removed: int = 0
    broken: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.complete} complete + {self.failed} failed + {self.held} held + "
            f"{self.removed} removed, {len(self.broken)} broken"
        )


class Ledger:
    """Every accepted upload of a storm. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Accepted] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, answer: Mapping[str, Any], kind: Kind, good: bool) -> Accepted:
        """Note an upload by its answer."""
        entry = Accepted(str(answer["sessname"]), str(answer["sesskey"]), kind, good)
        with self._lock:
            self._entries.append(entry)
        return entry

    def note(self, entry: Accepted, result: Mapping[str, Any]) -> None:
        """Note a final result that a client has seen."""
        if result.get("state") in FINAL and entry.verdict is None:
            entry.verdict = str(result["state"]), str(result.get("result", ""))

    def balance(self, sessions: Path, pools: Mapping[str, Path]) -> Balance:
        """Compare every entry with the disk, when no job waits or is being worked on."""
        held = {name for pool in pools.values() for name in _names(pool / ".hold")}
        balance = Balance()
        for entry in self._entries:
            problem = _judge(entry, sessions, entry.name in held, balance)
            if problem:
                balance.broken.append(f"{entry.kind.name} {entry.name}: {problem}")
        return balance


def _judge(entry: Accepted, sessions: Path, held: bool, balance: Balance) -> str:
    """Count an entry; what is wrong with it, or ""."""
    folder = sessions / entry.name
    if not folder.exists():
        balance.removed += 1
        return "" if entry.removal else "lost: its session is gone"
    if entry.removal == "answered":
        return "it is there again after its removal"
    session = Session(sessions, entry.name)
    record = session.record()
    state = record.get("state")
    if record.get("key") != entry.key:
        return "its key has changed"
    if state not in FINAL:
        return f"lost: it is still {state!r}"
    seen = str(state), str(record.get("result", ""))
    if entry.verdict is not None and entry.verdict != seen:
        return f"changed: a client saw {entry.verdict}, the disk has {seen}"
    return _judge_verdict(entry, session, str(state), held, balance)


def _judge_verdict(
    entry: Accepted, session: Session, state: str, held: bool, balance: Balance
) -> str:
    verdict = json.loads((session.path / "result.json").read_text())
    if verdict.get("state") != state:
        return f"the record says {state}, the result {verdict.get('state')}"
    if state == "failure":
        balance.held += held
        balance.failed += not held
        return f"a sound picture failed: {verdict.get('error')}" if entry.good else ""
    balance.complete += 1
    if not entry.good:
        return "a damaged picture has a result"
    if entry.kind.draws and session.picture_path is None:
        return "it has no annotated picture"
    return ""


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []
