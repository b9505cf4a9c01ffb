"""Photos on their way into a batch, a portion at a time.

A photo is taken one at a time, by the same door as any other upload, and its line is written before
anybody is told. Clients name each portion that they send; sent again, after a lost answer, what was
taken of it is answered as before and only the rest is taken, so a retry loses and doubles nothing.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.errors import BadRequest, ScaiError
from scai.jobs.batches.progress import Item, Progress
from scai.jobs.service import JobService
from scai.models import client_options
from scai.settings import Settings
from scai.storage.batch import is_taken
from scai.storage.disk import storage_error

log = logging.getLogger(__name__)

# Lines written, and flushed, together.
_TOGETHER = 16
_LONGEST_NAME = 255  # characters


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
        """Add a refusal."""
        self.refused.append((name, error))


class Adding:
    """One portion on its way into a batch, under the batch's lock.

    `part` is its client's name for it; a portion without a name is like no other.
    """

    def __init__(
        self, service: JobService, settings: Settings, progress: Progress, part: str = ""
    ) -> None:
        self.added = Added()
        self._service = service
        self._most = settings.max_batch_photos
        self._progress = progress
        self._part = part or secrets.token_hex(8)
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
        line: dict[str, Any] = {"name": _shown(photo.name), "part": self._part, "at": photo.at}
        try:
            self._check_room()
        except BadRequest as error:
            self.added.refuse(photo.name, error)
            return
        try:
            line |= self._submit(photo)
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
            self._take_back(lines)
            for line in lines:
                if "name" in line:
                    self.added.refuse(line["name"], self.added.stopped)
            return
        before = len(self._progress)
        self._progress.read()
        for item in self._progress.items[before:]:
            self._tell(item)

    def _submit(self, photo: Given) -> dict[str, str]:
        """Make the session of a photo; its task and key. Raises ScaiError."""
        head = self._progress.head
        params: dict[str, str] = {
            name: str(head[name]) for name in client_options.NAMES if name in head
        }
        with photo.open() as picture:
            session = self._service.submit(head["kind"], picture, photo.name, params)
        return {"task": session.name, "key": session.first_record["key"]}

    def _check_room(self) -> None:
        """Raises BadRequest when the batch is closed or full."""
        if self._progress.closed:
            raise BadRequest("this batch is closed; make a new one")
        if len(self._progress) + len(self._lines) >= self._most:
            raise BadRequest(
                f"expected at most {self._most} photos in a batch",
                limit=self._most,
                setting="max_batch_photos",
            )

    def _take_back(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Remove sessions that nobody was told of, as far as that can be done."""
        kind = self._progress.head["kind"]
        for line in filter(is_taken, lines):
            try:
                self._service.remove(kind, line["task"], line["key"])
            except (ScaiError, OSError) as error:
                log.warning("session %s is in no batch: %s", line["task"], error)

    def _tell(self, item: Item) -> None:
        if is_taken(item.line):
            self.added.taken.append(item)
        else:
            self.added.refuse(item.line["name"], ScaiError.from_dict(_refusal(item.line)))


def _refusal(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("name", "part", "at")}


def _shown(name: str) -> str:
    """A client's name of a file, with its folders, for people: printable, of sensible length."""
    return "".join(c for c in name if c.isprintable()).strip("/\\")[-_LONGEST_NAME:]
