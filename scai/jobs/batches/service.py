"""The service behind the routes of batches: make one, add photos, read it, remove it."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from scai.errors import Busy, InUse, NotFound, ScaiError
from scai.jobs.batches.creations import Creations
from scai.jobs.batches.portion import Portion, PortionPhoto, PortionResult
from scai.jobs.batches.progress import REFUSED, REMOVED, BatchItem, BatchProgress
from scai.jobs.deferral import Deferral
from scai.jobs.service import JobService
from scai.settings import Settings
from scai.storage.batch import Batch
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session

log = logging.getLogger(__name__)

# Items kept in memory, of all batches, about a kilobyte each; the last batch always stays.
_MAX_ITEMS = 20_000
_MAX_BATCHES = 200
# Seconds between two looks at a batch whose client waits.
_TURN = 1.0


class BatchService:
    """The only interface to batches for the routes. Keeps recently used batches in memory."""

    def __init__(
        self,
        service: JobService,
        settings: Settings,
        disk: Disk | None = None,
        *,
        max_batches: int = _MAX_BATCHES,
    ) -> None:
        self._service = service
        self._settings = settings
        self._root = settings.sessionpath
        self._disk = disk or service.disk
        self._creations = Creations(settings.max_batches_per_client)
        self._max_batches = max_batches
        self._times = service.times
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, BatchProgress] = OrderedDict()

    def create(
        self, kind: str, params: Mapping[str, str], expected: int = 0, client: str = ""
    ) -> BatchProgress:
        """Make a batch, open and empty. Raises as JobService.submit does for these parameters.

        `client` is the client's address. Raises ClientLimit when it makes too many.
        """
        values = self._service.check(kind, params)
        self._creations.count(client)
        try:
            batch = Batch.create(self._root, kind, values, expected=expected, disk=self._disk)
        except OSError as error:
            raise self._service.storage_error(error) from error
        log.info("batch %s: %s", batch.name, kind)
        return self._progress(batch, batch.head())

    def open(self, name: str, key: str) -> BatchProgress:
        """The batch of that name, read from its files. Raises NotFound unless `key` is its key."""
        batch = Batch(self._root, name, disk=self._disk)
        try:
            head = batch.head_for(key)
            if head.get("kind") not in self._service.kinds:
                raise NotFound("no available batch or key")
            progress = self._progress(batch, head)
            progress.read()
        except NotFound:
            self._forget(name)
            raise
        return progress

    def _progress(self, batch: Batch, head: Mapping[str, Any]) -> BatchProgress:
        with self._lock:
            progress = self._recent.pop(batch.name, None) or BatchProgress(batch, head, self._times)
            self._recent[batch.name] = progress
            while len(self._recent) > 1 and (
                len(self._recent) > self._max_batches
                or sum(map(len, self._recent.values())) > _MAX_ITEMS
            ):
                self._recent.popitem(last=False)
            return progress

    def __len__(self) -> int:
        """How many batches are kept in memory."""
        return len(self._recent)

    def _forget(self, name: str) -> None:
        with self._lock:
            self._recent.pop(name, None)

    def add(
        self,
        progress: BatchProgress,
        photos: Iterable[PortionPhoto],
        portion: str = "",
        *,
        last: bool = False,
        client: str = "",
    ) -> PortionResult:
        """Add photos to a batch; those that are in it when this returns will get their verdicts.

        `portion` is the client's name for these photos, `client` its address. With `last`, the
        batch is closed, unless some of the photos may be sent again. Raises Busy while another
        portion is being added.
        """
        with _alone(progress, self._times.batch_patience):
            adding = Portion(self._service, self._settings, progress, portion, client)
            for photo in photos:
                adding.add(photo)
            adding.write(close=last and adding.result.stop is None)
            return adding.result

    def document(
        self,
        progress: BatchProgress,
        cursor: str,
        wait: float,
        limit: int,
        deferral: Deferral | None = None,
    ) -> dict[str, Any]:
        """What changed since `cursor`, as soon as anything did, or after `wait` seconds.

        As BatchProgress.since, with at most `limit` items. With a deferral, this waits there
        instead, and the answer is for nobody.
        """
        progress.look()
        document = progress.since(cursor, limit)
        left = min(wait, self._settings.max_wait)
        if deferral is not None:
            left = deferral.left(left)
            if not document["items"] and document["state"] == "running":
                self._defer(progress, left, deferral)
                document = progress.since(cursor, limit)
            return document
        while left > 0 and not document["items"] and document["state"] == "running":
            item = progress.oldest_unfinished()
            if item is None:
                break
            turn = min(left, _TURN)
            self._wait_for(item, turn)
            left -= turn
            progress.look(at_once=True)
            document = progress.since(cursor, limit)
        return document

    def _defer(self, progress: BatchProgress, seconds: float, deferral: Deferral) -> None:
        """Wait in `deferral` for the oldest photo without a verdict; look again if there is one."""
        item = progress.oldest_unfinished()
        if item is None or seconds <= 0:
            return
        try:
            session = Session(self._root, item.line["task"])
            self._service.defer(session, min(seconds, _TURN), deferral)
        except ScaiError:
            pass  # it is gone or cannot be read; the look will show that
        if deferral.pause is None:
            progress.look(at_once=True)

    def _wait_for(self, item: BatchItem, seconds: float) -> None:
        try:
            self._service.wait(Session(self._root, item.line["task"]), seconds)
        except ScaiError:
            pass  # it is gone or cannot be read; the next look will show that

    def results(self, progress: BatchProgress) -> Iterator[tuple[BatchItem, dict[str, Any]]]:
        """Each item with the whole result of its session; {} without one."""
        progress.look(at_once=True)
        for item in list(progress.items):
            verdict: dict[str, Any] = {}
            if item.state in FINAL:
                try:
                    verdict = Session(self._root, item.line["task"]).result()
                except (ScaiError, OSError):
                    pass
            yield item, verdict

    def remove(self, progress: BatchProgress) -> dict[str, Any]:
        """Remove the batch and its sessions; return their number and the tasks that stay.

        Sessions that are being recognised stay, and with them the batch, which is closed. It can be
        removed when they are done.
        """
        with _alone(progress, self._times.batch_patience):
            removed, in_work = 0, []
            for item in progress.items:
                if item.state in (REFUSED, REMOVED):
                    continue
                line = item.line
                try:
                    kind = progress.head["kind"]
                    self._service.remove(kind, line["task"], line["key"], flush=False)
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
            self._disk.sync_directory(self._root)
            return {"removed": removed, "in_work": in_work}


@contextmanager
def _alone(progress: BatchProgress, patience: float) -> Iterator[None]:
    """Hold the batch's lock and read what others added.

    Raises Busy when they still do after `patience` seconds.
    """
    with progress.batch.lock(patience) as ours:
        if not ours:
            raise Busy("photos are being added to this batch; try again soon", retry_after=2)
        progress.read()
        yield
