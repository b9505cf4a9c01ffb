"""A portion of photos on its way into a batch.

Each photo is submitted as any other upload, and its line in the batch is written before the client
gets an answer. Clients name each portion that they send. When a portion is sent again, after a lost
answer, photos that are in the batch already are answered as before and only the others are added:
a retry loses no photo and doubles none.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scai.errors import BadRequest, ClientLimit, ScaiError
from scai.jobs.batches.progress import BatchItem, BatchProgress
from scai.jobs.service import JobService
from scai.models import client_options
from scai.settings import Settings
from scai.storage.batch import is_photo

log = logging.getLogger(__name__)

# Lines that are written and flushed together.
_LINES = 16
_MAX_NAME = 255  # characters


@dataclass(frozen=True)
class PortionPhoto:
    """One photo that a client sends: its name for people, its place in the portion, its bytes.

    `open` gives the picture: its bytes, or a file in the session folder, which may be moved away.
    It raises ScaiError where there is none to be had.
    """

    name: str
    at: int
    open: Callable[[], AbstractContextManager[bytes | Path]]


@dataclass
class PortionResult:
    """What became of a portion.

    items: the photos that are in the batch, also from an earlier try
    refusals: the names of the others, each with its error
    stop: why the rest of the portion was not looked at, and may be sent again
    """

    items: list[BatchItem] = field(default_factory=list)
    refusals: list[tuple[str, ScaiError]] = field(default_factory=list)
    stop: ScaiError | None = None

    def refuse(self, name: str, error: ScaiError) -> None:
        """Add a refusal."""
        self.refusals.append((name, error))

    def report(self, item: BatchItem) -> None:
        """Add a photo that has a line in the batch, which may be the line of a refusal."""
        if is_photo(item.line):
            self.items.append(item)
        else:
            self.refuse(item.line["name"], ScaiError.from_dict(_error_of(item.line)))


class Portion:
    """The portion that the client at address `client` calls `name`.

    The caller holds the batch's lock.

    An unnamed portion is never treated as a repeat.
    """

    def __init__(
        self,
        service: JobService,
        settings: Settings,
        progress: BatchProgress,
        name: str = "",
        client: str = "",
    ) -> None:
        self.result = PortionResult()
        self._service = service
        self._max_photos = settings.max_batch_photos
        self._progress = progress
        self._name = name or secrets.token_hex(8)
        self._client = client
        self._lines: list[dict[str, Any]] = []

    def add(self, photo: PortionPhoto) -> None:
        """Add one photo, or refuse it."""
        earlier = self._progress.item_at(self._name, photo.at)
        if earlier is not None:
            self.result.report(earlier)
            return
        try:
            self._check_room()
            self._lines.append(self._line(photo))
        except ScaiError as error:
            self.result.refuse(photo.name, error)
            return
        if len(self._lines) >= _LINES:
            self.write()

    def write(self, *, close: bool = False) -> None:
        """Put the lines on stable storage, and only then report their photos.

        With `close`, the batch takes no further photo. When the disk refuses, the sessions of these
        lines are removed.
        """
        photos, self._lines = self._lines, []
        lines = [*photos, *([{"closed": True}] if close else [])]
        if not lines:
            return
        try:
            self._progress.batch.append(lines)
        except OSError as error:
            log.error("batch %s not written: %s", self._progress.batch.name, error)
            self.result.stop = self._service.storage_error(error)
            self._take_back(photos)
            for photo in photos:
                self.result.refuse(photo["name"], self.result.stop)
            return
        before = len(self._progress)
        self._progress.read()
        for item in self._progress.items[before:]:
            self.result.report(item)

    def _check_room(self) -> None:
        """Raise ScaiError when no further photo can be added."""
        if self.result.stop is not None:
            raise self.result.stop
        if self._progress.closed:
            raise BadRequest("this batch is closed; make a new one")
        if len(self._progress) + len(self._lines) >= self._max_photos:
            raise BadRequest(
                f"expected at most {self._max_photos} photos in a batch",
                limit=self._max_photos,
                setting="max_batch_photos",
            )

    def _line(self, photo: PortionPhoto) -> dict[str, Any]:
        """Submit a photo; the line that says what became of it.

        Raises ScaiError, and stops the portion, when the photo is good and there is no room for it
        or the server is out of order.
        """
        line = {"name": _printable(photo.name), "part": self._name, "at": photo.at}
        head = self._progress.head
        params = {name: str(head[name]) for name in client_options.NAMES if name in head}
        try:
            with photo.open() as picture:
                session = self._service.submit(
                    head["kind"], picture, photo.name, params, self._client
                )
        except ScaiError as error:
            if error.status >= 500 or isinstance(error, ClientLimit):
                self.result.stop = error
                raise
            return line | error.to_dict()
        return line | {"task": session.name, "key": session.first_record["key"]}

    def _take_back(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Remove the sessions of lines that could not be written, as far as that can be done."""
        kind = self._progress.head["kind"]
        for line in filter(is_photo, lines):
            try:
                self._service.remove(kind, line["task"], line["key"])
            except (ScaiError, OSError) as error:
                log.warning("session %s is in no batch: %s", line["task"], error)


def _error_of(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("name", "part", "at")}


def _printable(name: str) -> str:
    """A client's name of a file, with its folders, for people: printable, of sensible length."""
    return "".join(c for c in name if c.isprintable()).strip("/\\")[-_MAX_NAME:]
