"""Streams of events and the removal of sessions, as clients ask for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scai.jobs.following import Follower, FollowTimes
from scai.jobs.queue_view import QueueView
from scai.jobs.waiters import Waiters
from scai.kinds import Kind
from scai.queues.directory import DirectoryQueue
from scai.storage.session import Session, Upload
from support.helpers import KIND, picture
from support.inprocess import Site

Answer = dict[str, Any]


def query(*answers: Answer) -> list[tuple[str, str]]:
    pairs = [(("task", each["sessname"]), ("key", each["sesskey"])) for each in answers]
    return [part for pair in pairs for part in pair]


def events(site: Site, *answers: Answer) -> Iterator[tuple[str, Answer]]:
    """Name and data of each event as it comes; the stream is left when this is closed."""
    response = site.http.get("/events", query_string=query(*answers), buffered=False)
    assert response.status_code == 200
    assert response.mimetype == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    try:
        parts = iter(response.response)
        assert next(parts).startswith(b"retry: ")
        for part in parts:
            name, data = bytes(part).decode().rstrip("\n").split("\n")
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
    finally:
        response.close()


def remove(site: Site, routes: Kind, answer: Answer, **other: str) -> tuple[int, Answer]:
    values = {"task": answer["sessname"], "key": answer["sesskey"], **other}
    response = site.http.delete(routes.result, query_string=values)
    return response.status_code, response.get_json()


# Looks and heartbeats more often than real streams have them.
OFTEN = FollowTimes(look=0.05, look_alone=0.05, heartbeat=0.1)


class Folder:
    """Sessions in a directory queue with file events, followed without HTTP."""

    def __init__(self, folder: Path, times: FollowTimes = OFTEN) -> None:
        self.root = folder / "session"
        self.queue = DirectoryQueue(folder / "pool", KIND)
        self.now = 0.0
        views = {KIND: QueueView(self.queue, least=0.05)}
        self.waiters = Waiters([self.queue])
        self.follower = Follower(self.root, self.waiters, views, times=times)

    def session(self) -> Session:
        return Session.create(
            self.root,
            KIND,
            Upload(picture(), ".jpg", "a.jpg"),
            queue=self.queue,
        )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.queue.close()


def pairs_of(*sessions: Session) -> list[tuple[str, str]]:
    return [(each.name, each.first_record["key"]) for each in sessions]
