"""Fixtures that every test may use; the leak check runs for all."""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from support.form_client import FormClient
from support.helpers import KIND, SHARED, picture
from support.inprocess import Site

from scai.queues.base import Job
from scai.queues.directory import DirectoryQueue
from scai.storage.session import Session, Upload

# Engines keep to their plain settings, also in the processes that tests start, unless a test of
# measuring says otherwise; what they compile goes when the tests end.
_cache = tempfile.TemporaryDirectory(prefix="scai-cache-")
atexit.register(_cache.cleanup)
os.environ |= {"SCAI_MEASURE": "off", "SCAI_CACHEPATH": _cache.name}


class Compiled(BytecodeCache):
    """Compiled templates, kept for the next application: hundreds of tests make one each."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._kept:
            bucket.bytecode_from_string(self._kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.bytecode_to_string()


Flask.jinja_options = {"bytecode_cache": Compiled()}
Flask.test_client_class = FormClient


@pytest.fixture(autouse=True)
def no_thread_leaks() -> Iterator[None]:
    """A test that leaves a thread behind fails: watchers and pools must be closed."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        left = [t for t in threading.enumerate() if t not in before and not t.daemon]
        if not left:
            return
        left[0].join(0.1)
    raise AssertionError(f"threads left running: {left}")


@pytest.fixture
def shared() -> Path:
    """The folder of real models and photos; the test is skipped where it is absent."""
    if not (SHARED / "models").is_dir():
        pytest.skip("no ../shared with real models and photos on this machine")
    return SHARED


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """One real installation with the bundled models, shared by the tests that leave it alive."""
    from support.live import Live

    running = Live(tmp_path_factory.mktemp("live"))
    try:
        yield running.wait_ready()
    finally:
        code = running.stop()
    assert code == 0, "\n".join(running.log)


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    root = tmp_path / "session"
    root.mkdir()
    return root


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[DirectoryQueue]:
    queue = DirectoryQueue(tmp_path / "pooling" / KIND, KIND, sweep=0.2)
    yield queue
    queue.close()


@pytest.fixture
def new_session(sessions: Path) -> Callable[..., Session]:
    """Makes sessions of small red pictures."""

    def make(kind: str = KIND, data: bytes | None = None, suffix: str = ".jpg", **params: str):
        upload = Upload(picture() if data is None else data, suffix, f"photo{suffix}")
        return Session.create(sessions, kind, upload, params=params)

    return make


@pytest.fixture
def submit(new_session: Callable[..., Session], queue: DirectoryQueue) -> Callable[..., Session]:
    """Makes sessions as `new_session` does, and puts their jobs into the queue."""

    def submit(**arguments: Any) -> Session:
        session = new_session(**arguments)
        queue.put(Job(session.name, KIND))
        return session

    return submit


@pytest.fixture
def fake_models(tmp_path: Path) -> Path:
    """A models file of one model, without a network, that tells five levels of grey apart."""
    (tmp_path / "labels.txt").write_text("black\ndark\ngrey\nlight\nwhite\n")
    config = tmp_path / "image_classification.config"
    config.write_text("[default]\nENGINE = fake\nLABELS = labels.txt\n")
    return config


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An application with its queues and workers in this process."""
    site = Site(tmp_path)
    yield site
    site.close()
