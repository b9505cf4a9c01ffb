"""Clients who wait for a verdict through the front: none of them costs a thread."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from support.batch_client import zipped
from support.front import LIMITS, NET, Serving, Talk, echo, serving
from support.helpers import picture, wait_until
from support.inprocess import Site
from support.kinds import IC
from support.streams import query

from scai.errors import ScaiError
from scai.jobs.service import JobService
from scai.jobs.times import JobTimes
from scai.programs.front.limits import raise_descriptor_limit
from scai.programs.front.request import Request
from scai.queues.memory import MemoryQueue
from scai.web.app import create_app
from scai.web.gate import Gate

# Whoever waits does so for its bell: a look at the disk comes too late for any test.
BELLS_ALONE = JobTimes(recheck=1000, recheck_without_events=1000)
MANY = 500


class Through(Serving):
    """A site behind a front, with one thread for all requests."""

    def __init__(self, site: Site, times: JobTimes = BELLS_ALONE, **options: Any) -> None:
        self.service = JobService(replace(site.settings, max_waiting=100), site.queues, times=times)
        app = create_app(self.service, site.settings)
        super().__init__(app, site.settings.sessionpath, **{"threads": 1, **options})

    def waiting(self, answer: dict[str, Any], seconds: float = NET) -> Talk:
        """A client that waits for the result of a photo."""
        return self.talk().ask(f"{IC.result}?{urlencode(query(answer))}&wait={seconds}")

    def heard(self) -> int:
        """How many sessions are waited for."""
        return len(self.service._waiters)


@pytest.fixture
def through(site: Site) -> Iterator[Through]:
    server = Through(site)
    yield server
    server.close()


@pytest.mark.slow
def test_hundreds_of_clients_wait_with_one_thread(through: Through, site: Site) -> None:
    raise_descriptor_limit()
    answer = site.post(IC, picture())
    waiting = [through.waiting(answer) for _ in range(MANY)]
    waiters = through.service._waiters
    wait_until(lambda: len(waiters._events.get(answer["sessname"], ())) == MANY, NET * 2)
    assert through.get("/version").status == 200
    site.workers[IC.name].step()
    replies = [talk.reply() for talk in waiting]
    assert {(reply.status, reply.json["state"]) for reply in replies} == {(200, "complete")}
    assert through.heard() == 0
    # The connections go on.
    assert waiting[0].ask("/version").reply().status == 200


def test_a_verdict_that_is_there_is_answered_at_once(through: Through, site: Site) -> None:
    answer = site.post(IC, picture())
    site.workers[IC.name].step()
    assert through.waiting(answer).reply().json["state"] == "complete"


def test_a_verdict_is_told_without_another_call_of_the_application(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = Through(site)
    app, calls = server.front._app, []
    server.front._app = lambda environ, start: calls.append(environ) or app(environ, start)
    try:
        answer = site.post(IC, picture())
        talk = server.waiting(answer)
        wait_until(lambda: server.heard() == 1)
        site.workers[IC.name].step()
        reply = talk.reply()
        assert len(calls) == 1
        again = server.get(f"{IC.result}?{urlencode(query(answer))}")
        assert reply.body == again.body
        assert reply.headers.items() - again.headers.items() <= {("date", reply.headers["date"])}
        lines = [each.getMessage() for each in caplog.records if "from 127" in each.getMessage()]
        assert sum(f"GET {IC.result} 200" in line for line in lines) == 2
    finally:
        server.close()


def test_without_a_verdict_the_state_comes_when_the_time_is_up(
    through: Through, site: Site
) -> None:
    answer = site.post(IC, picture())
    assert through.waiting(answer, 0.2).reply().json["state"] == "initialization"
    assert through.heard() == 0


def test_a_verdict_without_a_bell_is_found_by_looking(site: Site) -> None:
    server = Through(site, JobTimes(recheck=0.05, recheck_without_events=0.05))
    try:
        answer = site.post(IC, picture())
        talk = server.waiting(answer)
        wait_until(lambda: server.heard() == 1)
        site.queues[IC.name]._on_end = lambda name: None
        site.workers[IC.name].step()
        assert talk.reply().json["state"] == "complete"
    finally:
        server.close()


def test_a_photo_that_is_removed_is_gone_for_who_waits(through: Through, site: Site) -> None:
    answer = site.post(IC, picture())
    talk = through.waiting(answer)
    wait_until(lambda: through.heard() == 1)
    assert (
        through.talk().ask(f"{IC.result}?{urlencode(query(answer))}", "DELETE").reply().status
        == 200
    )
    reply = talk.reply()
    assert (reply.status, reply.json["code"]) == (404, "not_found")


def test_who_leaves_frees_its_place_at_once(through: Through, site: Site) -> None:
    answer = site.post(IC, picture())
    talks = [through.waiting(answer) for _ in range(20)]
    stream = through.talk().ask(f"/events?{urlencode(query(answer))}")
    assert stream.head()[0] == 200
    wait_until(lambda: len(through.service._waiters._events.get(answer["sessname"], ())) == 21)
    for talk in [*talks, stream]:
        talk.close()
    for _ in range(20):
        through.waiting(answer).close()  # before anybody knows that it waits
    wait_until(lambda: through.heard() == 0)
    wait_until(lambda: through.in_loop(lambda: len(through.front)) == 0)


def test_streams_tell_their_events_and_cost_no_thread(through: Through, site: Site) -> None:
    answer = site.post(IC, picture())
    streams = [through.talk().ask(f"/events?{urlencode(query(answer))}") for _ in range(30)]
    for stream in streams:
        status, headers = stream.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert b'"state": "initialization"' in until(stream, b"event: state")
    assert through.get("/version").status == 200
    site.workers[IC.name].step()
    for stream in streams:
        text = until(stream, b"event: end")
        assert b"event: result" in text and b'"state": "complete"' in text
        assert stream.chunk() == b""
    wait_until(lambda: through.heard() == 0)


def until(stream: Talk, what: bytes) -> bytes:
    text = b""
    while what not in text or not text.endswith(b"\n\n"):
        chunk = stream.chunk()
        assert chunk, text
        text += chunk
    return text


def test_who_waits_for_a_batch_is_woken_too(through: Through, site: Site) -> None:
    made = through.talk().ask(
        f"/batches?kind={IC.name}",
        "POST",
        zipped(("a.png", picture(format="PNG")), ("b.png", picture(format="PNG"))),
        "Content-Type: application/zip",
    )
    batch = made.reply().json
    address = f"/batches/{batch['id']}?key={batch['key']}"
    cursor = through.get(address).json["cursor"]
    talk = through.talk().ask(f"{address}&after={cursor}&wait={int(NET)}")
    wait_until(lambda: through.heard() == 1)
    while len(site.queues[IC.name]):
        site.workers[IC.name].step()
    document = talk.reply().json
    assert [item["state"] for item in document["items"]][:1] == ["complete"]
    wait_until(lambda: through.heard() == 0)


def test_a_stop_answers_who_waits_with_what_there_is(site: Site) -> None:
    server = Through(site, limits=replace(LIMITS, grace=NET))
    answer = site.post(IC, picture())
    talk = server.waiting(answer)
    stream = server.talk().ask(f"/events?{urlencode(query(answer))}")
    assert stream.head()[0] == 200
    wait_until(lambda: len(server.service._waiters._events.get(answer["sessname"], ())) == 2)
    server.stop()
    assert talk.reply().json["state"] == "initialization"
    assert json.loads(stream.rest().split(b"data: ")[1].split(b"\n")[0])["place"] == 0
    server.close()


def test_a_large_picture_goes_through_a_file_into_its_session(site: Site) -> None:
    settings = replace(site.settings, max_upload_mb=5.0)
    app = create_app(JobService(settings, site.queues), settings)
    data = picture() + bytes(2_000_000)
    with serving(app, settings.sessionpath) as server:
        reply = server.talk().ask(IC.upload, "POST", data, "Content-Type: image/jpeg").reply()
        session = settings.sessionpath / reply.json["sessname"]
        assert (session / "input.jpg").read_bytes() == data
        assert [each.name for each in settings.sessionpath.iterdir()] == [session.name]


BOUNDARY = "------------------------boundary"


def form(photo: bytes, before: bytes = b"", **fields: str) -> bytes:
    head = b"--" + BOUNDARY.encode() + b"\r\nContent-Disposition: form-data; name="
    parts = [b'%b"%b"\r\n\r\n%b\r\n' % (head, k.encode(), v.encode()) for k, v in fields.items()]
    file = head + b'"photo"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + photo + b"\r\n"
    return before + b"".join([*parts, file]) + b"--" + BOUNDARY.encode() + b"--\r\n"


@pytest.mark.parametrize("before", [b"", b"preamble\r\n"], ids=["usual", "unusual"])
def test_a_large_form_goes_through_a_file_into_its_session(site: Site, before: bytes) -> None:
    settings = replace(site.settings, max_upload_mb=5.0)
    app = create_app(JobService(settings, site.queues), settings)
    data = picture() + bytes(2_000_000)
    with serving(app, settings.sessionpath) as server:
        kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
        body = form(data, before, top_k="2")
        reply = server.talk().ask(IC.upload, "POST", body, kind).reply()
        session = settings.sessionpath / reply.json["sessname"]
        assert (session / "input.jpg").read_bytes() == data
        assert json.loads((session / "process.json").read_text())["top_k"] == 2
        assert [each.name for each in settings.sessionpath.iterdir()] == [session.name]


class HangingQueue(MemoryQueue):
    """A queue on a disk that hangs until `heals` is set."""

    heals = threading.Event()

    def waiting(self) -> Any:
        self.heals.wait(3 * NET)
        return super().waiting()


def test_a_disk_that_hangs_does_not_stop_the_loop(site: Site) -> None:
    settings = replace(site.settings, max_upload_mb=5.0)
    queues = {kind: HangingQueue(kind) for kind in settings.kinds}
    gate = Gate(settings, JobService(settings, queues))

    def admit(request: Request, length: int) -> tuple[int, ScaiError]:
        return gate.admit(request.path, "image/jpeg", length, request.client[0])

    with serving(echo, settings.sessionpath, admit=admit, instant=["/instant"]) as server:
        try:
            talk = server.talk().ask(IC.upload, "POST", bytes(2_000_000))
            assert server.get("/instant").status == 200
            assert talk.reply().json["size"] == 2_000_000
        finally:
            HangingQueue.heals.set()
