"""Count the files of SCAI that one upload, or one photo in the worker, goes through.

    python -m benchmarks.trace_files upload
    python -m benchmarks.trace_files photo --kind image_classification

A real application and a real worker run in this process, over queue folders in a temporary
directory. A first photo warms everything up: imports and caches are not counted. Then every file
of scai/ and workers/ in which a function is entered is listed, in the order of the first entry.
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
from flask import Flask
from PIL import Image

from scai import kinds, plugins
from scai.jobs import service
from scai.models import cards
from scai.monitoring.journal import Journal
from scai.queues.directory import DirectoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.settings import ROOT, Settings
from scai.storage.session import FINAL, Session, Upload
from scai.web.app import create_app
from scai.worker.pipeline import Worker

OURS = ("scai", "workers")
WAYS = ("upload", "photo")
# The kind whose worker does more: it also draws.
DEFAULT_KIND = "object_detection"
KINDS = kinds.load()
_BOUNDARY = "----------------trace-of-one-photo"
# Seconds until a photo without a verdict counts as lost.
_PATIENCE = 60.0
_NAP = 0.01


class Trace:
    """The files of ours that threads enter while `recording`, and the functions entered in each.

    Both are in the order of the first entry. Only threads that start after `install` are traced.
    Files are paths below the project's folder, such as "scai/web/app.py".
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.files: dict[str, list[str]] = {}
        self._roots = tuple(f"{root / folder}/" for folder in OURS)
        self._skip = len(f"{root}/")
        self._thread: int | None = None
        self._recording = False

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
    def recording(self, *, others_only: bool = False) -> Iterator[None]:
        """Note the files; with `others_only`, not those that the calling thread enters."""
        self._thread = threading.get_ident() if others_only else None
        self._recording = True
        try:
            yield
        finally:
            self._recording = False

    def _hook(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._recording or event != "call" or threading.get_ident() == self._thread:
            return
        code = frame.f_code
        if code.co_filename.startswith(self._roots):
            functions = self.files.setdefault(code.co_filename[self._skip :], [])
            if code.co_qualname not in functions:
                functions.append(code.co_qualname)


def files_of(way: str, kind: str = DEFAULT_KIND) -> dict[str, list[str]]:
    """Run one upload ("upload") or one photo in the worker ("photo"), and list what it enters.

    Returns the functions by file of ours.
    """
    trace = Trace()
    with tempfile.TemporaryDirectory(prefix="scai-trace-") as folder, trace.install():
        settings = _settings(Path(folder))
        if way == "upload":
            app = create_app(service.build(settings), settings)
            _upload(app, kind)
            with trace.recording():
                _upload(app, kind)
        else:
            with _working(settings, kind) as stop:
                session = _session(settings, kind)
                with trace.recording(others_only=True):
                    _run(settings, kind, session)
                    # The worker's steps after the verdict belong to the photo as well.
                    stop()
    return trace.files


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
def _working(settings: Settings, kind: str) -> Iterator[Callable[[], None]]:
    """Run a resident worker in a thread after its first photo; yield a function that stops it."""
    build = plugins.load("workers", kind).build
    config, pool = settings.models_file(kind), settings.pool(kind)
    models = ModelCache(lambda section: build(cards.load_card(config, section, kind)))
    queue = DirectoryQueue(pool, kind)
    worker = Worker(queue, models, settings.sessionpath, journal=Journal(pool))
    thread = threading.Thread(target=worker.run, name="worker")

    def stop() -> None:
        worker.stop()
        thread.join()

    try:
        _ticket(settings, kind, _session(settings, kind)).touch()
        worker.step()
        thread.start()
        try:
            yield stop
        finally:
            stop()
    finally:
        worker.close()


def _session(settings: Settings, kind: str) -> Session:
    return Session.create(settings.sessionpath, kind, Upload(_picture(), ".jpg"))


def _ticket(settings: Settings, kind: str, session: Session) -> Path:
    return settings.pool(kind) / session.name


def _run(settings: Settings, kind: str, session: Session) -> None:
    """Touch the ticket as a shell client does, and wait for the verdict."""
    _ticket(settings, kind, session).touch()
    deadline = time.monotonic() + _PATIENCE
    while session.state not in FINAL:
        if time.monotonic() > deadline:
            raise click.ClickException(f"no verdict within {_PATIENCE:g} s")
        time.sleep(_NAP)


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
