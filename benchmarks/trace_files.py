"""Count the files of SCAI that one upload, or one photo in the worker, goes through.

    python -m benchmarks.trace_files upload
    python -m benchmarks.trace_files photo --kind image_classification

A real application and a real worker run in this process, over queue folders in a temporary
directory. A first photo warms everything up: imports and caches are not counted. Then every file
of scai/ and workers/ in which a function is entered is listed, in the order of the first entry.

A photo's way begins when the bell has rung for a worker that waits, and ends with the verdict. What
is done once a second, for all photos, is no part of it; nor is the journal, which is for figures.
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import click
from flask import Flask
from PIL import Image

from scai import kinds, plugins
from scai.jobs import service
from scai.models import cards
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.settings import ROOT, Settings
from scai.storage.session import Session, Upload
from scai.web.app import create_app
from scai.worker.pipeline import Worker

OURS = ("scai", "workers")
WAYS = ("upload", "photo")
# The kind whose worker does more: it also draws.
DEFAULT_KIND = "object_detection"
KINDS = kinds.load()
_BOUNDARY = "----------------trace-of-one-photo"
# Seconds until a worker counts as stuck.
_PATIENCE = 60.0
# Repetitions, of which the shortest counts: a pause of the machine may let one come upon what is
# done once a second.
_TIMES = 3
# Where the way of a photo begins and ends.
_CLAIM = DirectoryQueue.claim.__code__
_VERDICT = Session.complete.__code__


class Trace:
    """The files of ours that threads enter while recording, and the functions entered in each.

    Both are in the order of the first entry. Only threads that start after `install` are traced.
    Files are paths below the project's folder, such as "scai/web/app.py".
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.files: dict[str, list[str]] = {}
        self._roots = tuple(f"{root / folder}/" for folder in OURS)
        self._skip = len(f"{root}/")
        # Threads that are not seen: those that carry no photo, or have turned to other photos.
        self._left: set[int] = set()
        self._recording = False
        self._claiming = threading.Event()
        self._ended = threading.Event()

    @contextmanager
    def install(self) -> Iterator[None]:
        """Watch this thread and all that start meanwhile."""
        threading.setprofile(self._hook)
        sys.setprofile(self._hook)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Note the files that this thread and others enter in the block."""
        self._begin(set())
        try:
            yield
        finally:
            self._recording = False

    @contextmanager
    def recording_photo(self) -> Iterator[None]:
        """Note the files that other threads enter, from a worker's claim to its next verdict.

        The block sends the photo. Raises ClickException if there is no verdict.
        """
        self._wait_for(self._claiming)
        self._ended.clear()
        self._begin({threading.get_ident()})
        try:
            yield
            self._wait_for(self._ended)
        finally:
            self._recording = False

    def _wait_for(self, event: threading.Event) -> None:
        if not event.wait(_PATIENCE):
            raise click.ClickException(f"the worker did nothing for {_PATIENCE:g} s")

    def _begin(self, without: set[int]) -> None:
        self.files = {}
        self._left = without
        self._recording = True

    def _hook(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if code is _CLAIM:
            self._turn_to_next(event)
        elif self._recording and threading.get_ident() not in self._left:
            if event == "call":
                self._note(code)
            elif event == "return" and code is _VERDICT:
                self._recording = False
                self._ended.set()

    def _turn_to_next(self, event: str) -> None:
        """Leave the claiming thread when it claims again, for that is for other photos."""
        if event == "call":
            self._left.add(threading.get_ident())
            self._claiming.set()
        elif event == "return":
            self._claiming.clear()

    def _note(self, code: CodeType) -> None:
        if code.co_filename.startswith(self._roots):
            functions = self.files.setdefault(code.co_filename[self._skip :], [])
            if code.co_qualname not in functions:
                functions.append(code.co_qualname)


def files_of(way: str, kind: str = DEFAULT_KIND) -> dict[str, list[str]]:
    """Run one upload ("upload") or one photo in the worker ("photo"), and list what it enters.

    Returns the functions by file of ours.
    """
    with tempfile.TemporaryDirectory(prefix="scai-trace-") as folder:
        settings = _settings(Path(folder))
        ways = _upload_ways if way == "upload" else _photo_ways
        return min(ways(settings, kind), key=len)


def _upload_ways(settings: Settings, kind: str) -> Iterator[dict[str, list[str]]]:
    """What uploads enter, each of several."""
    trace = Trace()
    app = create_app(service.build(settings), settings)
    _upload(app, kind)
    with trace.install():
        for _ in range(_TIMES):
            with trace.recording():
                _upload(app, kind)
            yield trace.files


def _photo_ways(settings: Settings, kind: str) -> Iterator[dict[str, list[str]]]:
    """What photos in a worker enter, each of several."""
    trace = Trace()
    with _working(settings, kind, trace):
        for _ in range(_TIMES):
            session = _session(settings, kind)
            with trace.recording_photo():
                # As a shell client does.
                _ticket(settings, kind, session).touch()
            yield trace.files


def _settings(folder: Path) -> Settings:
    """Settings of an installation in `folder`, with an engine that needs no model."""
    (folder / "labels.txt").write_text("black\ndark\ngrey\nlight\nwhite\n")
    for kind, key in (("image_classification", "LABELS"), ("object_detection", "PATH_TO_LABELS")):
        section = f"[default]\nENGINE = fake\n{key} = labels.txt\nLABEL_OFFSET = 0\n"
        (folder / f"{kind}.config").write_text(section)
    return Settings(
        sessionpath=folder / "session",
        icpoolpath=folder / "pooling" / "image_classification",
        odpoolpath=folder / "pooling" / "object_detection",
        icconfig=folder / "image_classification.config",
        odconfig=folder / "object_detection.config",
        cachepath=folder / "cache",
        measure="off",
    )


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), "gray").save(file, "JPEG")
    return file.getvalue()


def _upload(app: Flask, kind: str) -> None:
    """Post a photo as a browser does."""
    head = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    # Not the test client's own form: it begins with an empty line, which no browser sends.
    body = head.encode() + _picture() + f"\r\n--{_BOUNDARY}--\r\n".encode()
    answer = app.test_client().post(
        KINDS[kind].upload, data=body, content_type=f"multipart/form-data; boundary={_BOUNDARY}"
    )
    if answer.status_code != 200:
        raise click.ClickException(f"the upload was refused: {answer.get_data(as_text=True)}")


@contextmanager
def _working(settings: Settings, kind: str, trace: Trace) -> Iterator[None]:
    """Run a resident worker, with one photo behind it, in a thread that the trace sees."""
    build = plugins.load("workers", kind).build
    config, pool = settings.models_file(kind), settings.pool(kind)
    models = ModelCache(lambda section: build(cards.load_card(config, section, kind)))
    queue = DirectoryQueue(pool, kind)
    worker = Worker(queue, models, settings.sessionpath)
    thread = threading.Thread(target=worker.run, args=(_PATIENCE,), name="worker")
    try:
        # This starts the thread of the doorbell, which carries no photo: the trace does not see it.
        worker.step()
        with trace.install():
            _ticket(settings, kind, _session(settings, kind)).touch()
            worker.step()
            thread.start()
            try:
                yield
            finally:
                worker.stop()
                thread.join()
    finally:
        worker.close()


def _session(settings: Settings, kind: str) -> Session:
    return Session.create(settings.sessionpath, kind, Upload(_picture(), ".jpg"))


def _ticket(settings: Settings, kind: str, session: Session) -> Path:
    return settings.pool(kind) / session.name


@click.command()
@click.argument("way", type=click.Choice(WAYS))
@click.option(
    "--kind", type=click.Choice(list(KINDS)), default=DEFAULT_KIND, help="Kind of recognition."
)
@click.option("--functions", is_flag=True, help="List the functions entered in each file, too.")
def main(way: str, kind: str, functions: bool) -> None:
    """List and count the files of SCAI that one upload or one photo in the worker enters."""
    files = files_of(way, kind)
    for file, names in files.items():
        click.echo(f"{file}: {', '.join(names)}" if functions else file)
    click.echo(f"{len(files)} files")


if __name__ == "__main__":
    main()
