"""What HTTP may ask of batches, without HTTP: make one, add photos, look at it, remove it.

A photo is taken one at a time, by the same door as any other upload, and its line is written before
anybody is told. Clients name each portion that they send; sent again, after a lost answer, what was
taken of it is answered as before and only the rest is taken, so a retry loses and doubles nothing.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.batches.batch import Batch, is_taken
from scai.batches.progress import REFUSED, REMOVED, Item, Progress
from scai.durable import Disk, storage_error
from scai.errors import BadRequest, Busy, InUse, NotFound, ScaiError
from scai.service import Service
from scai.session import FINAL, Session
from scai.settings import Settings

log = logging.getLogger(__name__)

# Lines written, and flushed, together.
_TOGETHER = 16
# Items kept in memory, of all batches, some kilobyte each; the batch asked for last always is.
_MOST_ITEMS = 20_000
_MOST_BATCHES = 200
# Longest pause of a client that waits for its batch, in seconds, before it is looked at again.
_TURN = 1.0
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Given:
    """One photo that a client sends: its name for people, its place in the portion, its bytes.

    `open` gives the picture, its bytes or a file in the session folder, which may be moved away; it
    raises ScaiError where there is none to be had.
    """

    name: str
    at: int
    open: Callable[[], AbstractContextManager[bytes | Path]]


@dataclass
class Added:
    """What came of a portion: items taken, and the refusals with the names they are of."""

    taken: list[Item] = field(default_factory=list)
    refused: list[tuple[str, ScaiError]] = field(default_factory=list)
    # Why the rest of the portion was not looked at; it may be sent again.
    stopped: ScaiError | None = None

    def refuse(self, name: str, error: ScaiError) -> None:
        self.refused.append((name, error))


class Batches:
    """The batches of one service."""

    def __init__(self, service: Service, settings: Settings, disk: Disk | None = None) -> None:
        self._service = service
        self._settings = settings
        self._root = settings.sessionpath
        self._disk = disk or Disk(settings.durability)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Progress] = OrderedDict()

    def create(self, kind: str, params: Mapping[str, str], expected: int = 0) -> Progress:
        """A new batch, open and empty. Raises as Service.submit does for these parameters."""
        chosen = self._service.check(kind, params)
        try:
            batch = Batch.create(self._root, kind, chosen, expected=expected, disk=self._disk)
        except OSError as error:
            raise storage_error(error) from error
        log.info("batch %s: %s", batch.name, kind)
        return self._progress(batch, batch.head())

    def open(self, name: str, key: str) -> Progress:
        """The batch of that name, if `key` opens it, as it stands in its files. Raises NotFound."""
        batch = Batch(self._root, name, disk=self._disk)
        try:
            progress = self._progress(batch, batch.opened_with(key))
            progress.read()
        except NotFound:
            self._forget(name)
            raise
        return progress

    def _progress(self, batch: Batch, head: Mapping[str, Any]) -> Progress:
        with self._lock:
            known = self._known.pop(batch.name, None) or Progress(batch, head)
            self._known[batch.name] = known
            while len(self._known) > 1 and (
                len(self._known) > _MOST_BATCHES
                or sum(map(len, self._known.values())) > _MOST_ITEMS
            ):
                self._known.popitem(last=False)
            return known

    def _forget(self, name: str) -> None:
        with self._lock:
            self._known.pop(name, None)

    def add(
        self, progress: Progress, photos: Iterable[Given], part: str = "", *, last: bool = False
    ) -> Added:
        """Take photos into a batch; what is taken when this returns will get its verdict.

        `part` is the client's name for this portion. With `last`, the batch is closed, unless some
        of the photos may be sent again. Raises Busy while another portion is being added.
        """
        with progress.batch.lock() as ours:
            if not ours:
                raise Busy("photos are being added to this batch; try again soon", retry_after=2)
            progress.read()
            adding = _Adding(self, progress, part or secrets.token_hex(8))
            for photo in photos:
                adding.take(photo)
            adding.write([{"closed": True}] if last and not adding.added.stopped else [])
            return adding.added

    def submit(self, progress: Progress, photo: Given) -> dict[str, str]:
        """Make the session of a photo; its task and key. Raises ScaiError."""
        head = progress.head
        params: dict[str, str] = {
            key: str(head[key]) for key in ("model", "threshold", "top_k") if key in head
        }
        with photo.open() as picture:
            session = self._service.submit(head["kind"], picture, photo.name, params)
        return {"task": session.name, "key": session.first_record["key"]}

    def check_room(self, progress: Progress, coming: int = 0) -> None:
        """Raises BadRequest when the batch is closed, or full with the `coming` photos."""
        if progress.closed:
            raise BadRequest("this batch is closed; make a new one")
        if len(progress) + coming >= self._settings.max_batch_photos:
            raise BadRequest(
                f"expected at most {self._settings.max_batch_photos} photos in a batch",
                limit=self._settings.max_batch_photos,
                setting="max_batch_photos",
            )

    def take_back(self, kind: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Remove sessions that nobody was told of, as far as that can be done."""
        for line in filter(is_taken, lines):
            try:
                self._service.remove(kind, line["task"], line["key"])
            except (ScaiError, OSError) as error:
                log.warning("session %s is in no batch: %s", line["task"], error)

    def document(self, progress: Progress, cursor: str, wait: float, most: int) -> dict[str, Any]:
        """What changed since `cursor`, as soon as anything did, or after `wait` seconds."""
        progress.look()
        told = progress.since(cursor, most)
        left = min(wait, self._settings.max_wait)
        while left > 0 and not told["items"] and told["state"] == "running":
            item = progress.oldest_unfinished()
            if item is None:
                break
            turn = min(left, _TURN)
            self._wait_for(item, turn)
            left -= turn
            progress.look(at_once=True)
            told = progress.since(cursor, most)
        return told

    def _wait_for(self, item: Item, seconds: float) -> None:
        try:
            self._service.wait(Session(self._root, item.line["task"]), seconds)
        except ScaiError:
            pass  # it is gone or cannot be read, and the next look will say so

    def results(self, progress: Progress) -> Iterator[tuple[Item, dict[str, Any]]]:
        """Each item with the whole verdict of its session; {} where there is none."""
        progress.look(at_once=True)
        for item in list(progress.items):
            verdict: dict[str, Any] = {}
            if item.state in FINAL:
                try:
                    verdict = Session(self._root, item.line["task"]).result()
                except (ScaiError, OSError):
                    pass
            yield item, verdict

    def remove(self, progress: Progress) -> dict[str, Any]:
        """Remove the batch and its sessions: how many, and the tasks that are in work and stay.

        With any that stay, the batch stays too, closed; it can be removed when they are done.
        """
        with progress.batch.lock() as ours:
            if not ours:
                raise Busy("photos are being added to this batch; try again soon", retry_after=2)
            progress.read()
            removed, in_work = 0, []
            for item in progress.items:
                if item.state in (REFUSED, REMOVED):
                    continue
                line = item.line
                try:
                    self._service.remove(progress.head["kind"], line["task"], line["key"])
                    removed += 1
                except NotFound:
                    pass
                except InUse:
                    in_work.append(line["task"])
            if not in_work:
                progress.batch.remove()
                self._forget(progress.batch.name)
            elif not progress.closed:
                progress.batch.append([{"closed": True}])
            return {"removed": removed, "in_work": in_work}


class _Adding:
    """One portion on its way into a batch, under the batch's lock."""

    def __init__(self, batches: Batches, progress: Progress, part: str) -> None:
        self.added = Added()
        self._batches = batches
        self._progress = progress
        self._part = part
        self._lines: list[dict[str, Any]] = []

    def take(self, photo: Given) -> None:
        """Take one photo, or say why not."""
        known = self._progress.known(self._part, photo.at)
        if known is not None:
            self._tell(known)
            return
        if self.added.stopped:
            self.added.refuse(photo.name, self.added.stopped)
            return
        line: dict[str, Any] = {"name": shown(photo.name), "part": self._part, "at": photo.at}
        try:
            self._batches.check_room(self._progress, len(self._lines))
        except BadRequest as error:
            self.added.refuse(photo.name, error)
            return
        try:
            line |= self._batches.submit(self._progress, photo)
        except ScaiError as error:
            if error.status >= 500:
                self.added.stopped = error  # the photo is good, and there may be room another time
                self.added.refuse(photo.name, error)
                return
            line |= error.to_dict()
        self._lines.append(line)
        if len(self._lines) >= _TOGETHER:
            self.write()

    def write(self, more: Iterable[dict[str, Any]] = ()) -> None:
        """Put the lines on stable storage, and only then tell of their photos."""
        lines, self._lines = [*self._lines, *more], []
        if not lines:
            return
        try:
            self._progress.batch.append(lines)
        except OSError as error:
            log.error("batch %s not written: %s", self._progress.batch.name, error)
            self.added.stopped = storage_error(error)
            self._batches.take_back(self._progress.head["kind"], lines)
            for line in lines:
                if "name" in line:
                    self.added.refuse(line["name"], self.added.stopped)
            return
        before = len(self._progress)
        self._progress.read()
        for item in self._progress.items[before:]:
            self._tell(item)

    def _tell(self, item: Item) -> None:
        if is_taken(item.line):
            self.added.taken.append(item)
        else:
            self.added.refuse(item.line["name"], ScaiError.from_dict(_refusal(item.line)))


def _refusal(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("name", "part", "at")}


def shown(name: str) -> str:
    """A client's name of a file, with its folders, for people: printable, of sensible length."""
    return "".join(c for c in name if c.isprintable()).strip("/\\")[-_LONGEST_NAME:]
