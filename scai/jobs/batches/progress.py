"""A batch as it stands now: its lines, and how far the session of each is.

It is kept in memory, because a client that watches a thousand photos asks every second. A final
verdict is read once. Of the waiting items, the oldest are looked at often, because workers claim
the oldest first; all of them only now and then. Each change of an item gets the next number, so a
client that names the last number it saw gets what changed since, and nothing else.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from scai.errors import BadSession, NotFound
from scai.jobs.times import DEFAULT_TIMES, JobTimes
from scai.storage.batch import Batch, is_photo
from scai.storage.json_files import finite
from scai.storage.session import FINAL, Session

# After this many waiting items in a row, assume that all later ones wait too.
_SURE = 64
# Most labels of one item: a picture has a few, a page full of digits has ten.
_MAX_LABELS = 20
# No number of a change has so many digits.
_LONG = 20

WAITING, PROCESSING, REMOVED, REFUSED = "waiting", "processing", "removed", "refused"
STATES = (WAITING, PROCESSING, *FINAL, REMOVED, REFUSED)


class BatchItem:
    """One photo of a batch: what its line says, its state, and its verdict in short."""

    __slots__ = ("line", "number", "state", "changed", "short", "mark")

    def __init__(self, number: int, line: Mapping[str, Any], changed: int) -> None:
        self.line = line
        self.number = number
        self.state = WAITING if is_photo(line) else REFUSED
        self.changed = changed
        self.short: dict[str, Any] = {}
        # Of the session's folder when its verdict was read.
        self.mark = 0

    def to_dict(self) -> dict[str, Any]:
        """The item as clients see it."""
        line = self.line
        if not is_photo(line):
            keys = ("name", "error", "code")
            return {"n": self.number, "state": self.state, **{k: line.get(k, "") for k in keys}}
        keys = ("name", "task", "key")
        return {"n": self.number, "state": self.state, **{k: line[k] for k in keys}, **self.short}


class BatchProgress:
    """The items of one batch and their states. Safe between threads."""

    def __init__(
        self,
        batch: Batch,
        head: Mapping[str, Any],
        times: JobTimes = DEFAULT_TIMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batch = batch
        self.head = dict(head)
        self.closed = False
        self._times = times
        self._clock = clock
        self._lock = threading.RLock()
        self._start_anew()

    def _start_anew(self) -> None:
        # Numbers of changes are those of this list; another process counts differently.
        self._epoch = secrets.token_hex(4)
        self._changes = 0
        self._read_to = 0
        self._looked = self._looked_all = -float("inf")
        self.closed = False
        self.items: list[BatchItem] = []
        self._unfinished: list[BatchItem] = []
        self._by_part: dict[tuple[str, int], BatchItem] = {}

    def __len__(self) -> int:
        return len(self.items)

    def read(self) -> None:
        """Take up what was added to the batch. Raises NotFound when it is gone."""
        with self._lock:
            lines, read_to = self.batch.lines(self._read_to)
            if read_to < self._read_to:
                self._start_anew()
                lines, read_to = self.batch.lines(0)
            self._read_to = read_to
            for line in lines:
                self._take(line)

    def _take(self, line: Mapping[str, Any]) -> None:
        if "closed" in line:
            self.closed = True
            return
        item = BatchItem(len(self.items) + 1, line, self._next())
        self.items.append(item)
        if item.state == WAITING:
            self._unfinished.append(item)
        if isinstance(line.get("part"), str) and isinstance(line.get("at"), int):
            self._by_part[line["part"], line["at"]] = item

    def _next(self) -> int:
        self._changes += 1
        return self._changes

    def item_at(self, part: str, at: int) -> BatchItem | None:
        """The photo at place `at` of the portion `part`, if it was sent before."""
        return self._by_part.get((part, at))

    def look(self, *, at_once: bool = False) -> None:
        """Read what was added and how far the sessions are, unless that was done just now.

        With `at_once`, it is done whenever that was.
        """
        self.read()
        with self._lock:
            now = self._clock()
            if now - self._looked < self._times.batch_look and not at_once:
                return
            everything = now - self._looked_all >= self._times.batch_look_all
            self._looked = now
            if everything:
                self._looked_all = now
                self._look_at_finished()
            waiting = 0
            for item in self._unfinished:
                self._look_at(item)
                waiting = waiting + 1 if item.state == WAITING else 0
                if waiting >= _SURE and not everything:
                    break
            self._unfinished = [i for i in self._unfinished if i.state in (WAITING, PROCESSING)]

    def _look_at_finished(self) -> None:
        """Notice items whose sessions are gone, or were released and run anew."""
        for item in self.items:
            if item.state not in FINAL:
                continue
            mark = self._mark(item)
            if mark is None:
                self._change(item, REMOVED)
            elif mark != item.mark:
                self._look_at(item)
                if item.state not in FINAL:
                    self._unfinished.append(item)
        self._unfinished.sort(key=lambda item: item.number)

    def _mark(self, item: BatchItem) -> int | None:
        """A value that changes with each change of the item's session; None without a session."""
        try:
            return os.lstat(self.batch.root / item.line["task"]).st_mtime_ns
        except OSError:
            return None

    def _look_at(self, item: BatchItem) -> None:
        session = Session(self.batch.root, item.line["task"])
        # Before the verdict: what changes later is noticed.
        item.mark = self._mark(item) or 0
        try:
            record = session.record()
            state = str(record.get("state"))
            short = _short(session.result(record)) if state in FINAL else {}
        except NotFound:
            self._change(item, REMOVED)
            return
        except BadSession as error:
            state, short = "failure", {"error": error.message, "code": error.code}
        except OSError:
            return  # the disk may answer the next time
        if state not in FINAL:
            state = PROCESSING if state == "processing" else WAITING
        self._change(item, state, short)

    def _change(self, item: BatchItem, state: str, short: dict[str, Any] | None = None) -> None:
        if item.state != state or (state in FINAL and item.short != short):
            item.state, item.short, item.changed = state, short or {}, self._next()

    @property
    def state(self) -> str:
        """Open while photos may be added, running while any has no verdict, then complete."""
        if not self.closed:
            return "open"
        return "running" if self._unfinished else "complete"

    def oldest_unfinished(self) -> BatchItem | None:
        """The item whose verdict is likely to be the next; None when all have theirs."""
        with self._lock:
            return self._unfinished[0] if self._unfinished else None

    def since(self, cursor: str, limit: int) -> dict[str, Any]:
        """The document with what changed since `cursor` ("": everything), `limit` items of it.

        With `more`, there is more to be had at once with the new `cursor`.
        """
        with self._lock:
            epoch, _, number = cursor.partition("-")
            ours = epoch == self._epoch and number.isdecimal() and len(number) < _LONG
            seen = int(number) if ours else 0
            changed = [item for item in self.items if item.changed > seen]
            changed.sort(key=lambda item: item.changed)
            items = changed[:limit]
            last = items[-1].changed if items else seen
            states = Counter(item.state for item in self.items)
            return {
                "id": self.batch.name,
                "state": self.state,
                **{key: value for key, value in self.head.items() if key != "key"},
                "counts": {"all": len(self.items), **{state: states[state] for state in STATES}},
                "cursor": f"{self._epoch}-{last}",
                "more": len(changed) > limit,
                "items": [item.to_dict() for item in items],
            }


def _short(result: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict in a few words: which model, which labels how often and how surely, how long."""
    if result.get("state") == "failure":
        keys = ("error", "code")
        return {"model": str(result.get("model", "")), **{k: result.get(k, "") for k in keys}}
    labels: dict[str, dict[str, Any]] = {}
    rows = result.get("predictions")
    predictions = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    for prediction in predictions:
        name, score = str(prediction.get("label", "")), _score(prediction)
        entry = labels.setdefault(name, {"label": name, "score": score, "count": 0})
        entry["count"] += 1
    return {
        "model": str(result.get("model", "")),
        "objects": len(predictions),
        "labels": list(labels.values())[:_MAX_LABELS],
        "ms": _work(result),
    }


def _score(prediction: Mapping[str, Any]) -> float:
    try:
        return finite(prediction.get("score"))
    except ValueError:
        return 0.0  # a foreign worker's


def _work(result: Mapping[str, Any]) -> float | None:
    """Milliseconds that the photo took: decoding, its share of its batch's inference, drawing."""
    timing, together = result.get("timing"), result.get("batch", 1)
    if not isinstance(timing, dict):
        return None
    try:
        own = finite(timing.get("decode_ms", 0)) + finite(timing.get("draw_ms", 0))
        share = finite(timing.get("infer_ms", 0)) / max(1.0, finite(together))
        return round(finite(own + share), 1)
    except ValueError:
        return None
