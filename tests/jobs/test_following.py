"""Streams of events, over HTTP but without a network; and one over a real one."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from support import streams
from support.helpers import picture, picture_without_its_end
from support.inprocess import Site
from support.kinds import IC, OD
from support.live import Live, digit
from support.streams import Answer, Folder, events, pairs_of, query, remove

from scai.jobs.following import Event, FollowTimes
from scai.jobs.service import JobService

folder = streams.folder


def test_the_states_come_first_then_each_result_then_the_end(site: Site) -> None:
    first, second = site.post(IC, picture()), site.post(OD, picture())
    third = site.post(IC, picture())
    stream = events(site, first, second, third)
    news = [next(stream) for _ in range(3)]
    assert news == [
        ("state", {"task": first["sessname"], "state": "initialization", "place": 0}),
        ("state", {"task": second["sessname"], "state": "initialization", "place": 0}),
        ("state", {"task": third["sessname"], "state": "initialization", "place": 1}),
    ]
    site.workers[IC.name].step()
    site.workers[OD.name].step()
    results = dict(
        (data["task"], data) for name, data in stream_until_end(stream) if name == "result"
    )
    assert set(results) == {each["sessname"] for each in (first, second, third)}
    for routes, answer in ((IC, first), (OD, second), (IC, third)):
        got = site.get(routes.result, answer)
        assert results[answer["sessname"]] == {**got, "task": answer["sessname"]}
        assert answer["sesskey"] not in json.dumps(results)


def stream_until_end(stream: Iterator[tuple[str, Answer]]) -> list[tuple[str, Answer]]:
    news = list(stream)
    assert news[-1] == ("end", {})
    return news


def test_what_is_final_already_is_told_at_once(site: Site) -> None:
    answer = site.post(IC, picture())
    site.workers[IC.name].step()
    assert [name for name, _ in events(site, answer)] == ["result", "end"]


def test_a_failure_is_a_result_too(site: Site) -> None:
    answer = site.post(IC, picture_without_its_end())
    site.workers[IC.name].step()
    (name, data), _ = events(site, answer)
    assert (name, data["state"]) == ("result", "failure")
    assert data["code"] == "bad_image"


UNKNOWN = [
    {"sesskey": "0" * 40},
    {"sesskey": ""},
    {"sessname": "d-20260101-" + "0" * 40},
    {"sessname": "../../etc/passwd"},
]


@pytest.mark.parametrize("wrong", UNKNOWN, ids=str)
def test_who_has_no_key_is_told_nothing(site: Site, wrong: Answer) -> None:
    answer = {**site.post(IC, picture()), **wrong}
    (name, data), end = events(site, answer)
    assert (name, data["task"], data["code"]) == ("gone", answer["sessname"], "not_found")
    assert end == ("end", {})


def test_a_session_that_is_removed_is_gone_for_who_follows_it(site: Site) -> None:
    answer, other = site.post(IC, picture()), site.post(IC, picture())
    stream = events(site, answer, other)
    assert [next(stream)[0] for _ in range(2)] == ["state", "state"]
    assert remove(site, IC, answer)[0] == 200
    name, data = next(news for news in stream if news[0] != "beat")
    assert (name, data["task"]) == ("gone", answer["sessname"])
    stream.close()


@pytest.mark.parametrize(
    "pairs", ["", "?task=a", "?task=a&task=b&key=c", "?" + "task=a&key=b&" * 65]
)
def test_a_query_that_names_no_pairs_is_refused(site: Site, pairs: str) -> None:
    answer = site.http.get(f"/events{pairs}")
    assert answer.status_code == 400
    assert answer.get_json()["code"] == "bad_request"


def test_a_stream_ends_by_itself_without_an_end(site: Site) -> None:
    site.service.settings = replace(site.settings, max_wait=0.3)
    answer = site.post(IC, picture())
    assert [name for name, _ in events(site, answer)] == ["state"]


def test_too_many_streams_are_refused_and_those_that_are_left_make_room(site: Site) -> None:
    site.service = JobService(replace(site.settings, threads=2), site.queues)
    answer = site.post(IC, picture())
    pair = (answer["sessname"], answer["sesskey"])
    read, unread = site.service.follow([pair]), None
    assert next(read).name == "state"
    with pytest.raises(Exception, match="too many wait"):
        site.service.follow([pair])
    read.close()
    read.close()
    # One that was never read makes room as well.
    unread = site.service.follow([pair])
    unread.close()
    site.service.follow([pair]).close()


def test_a_refused_stream_says_when_to_come_back(site: Site) -> None:
    answer = site.post(IC, picture())
    pair = (answer["sessname"], answer["sesskey"])
    streams = [site.service.follow([pair]) for _ in range(site.settings.threads * 3 // 4)]
    refused = site.http.get("/events", query_string=query(answer))
    for stream in streams:
        stream.close()
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "10"
    assert refused.get_json()["code"] == "busy"


def test_a_verdict_wakes_the_stream_by_its_event(tmp_path: Path) -> None:
    # However long the verdict takes here, nothing else is told meanwhile.
    folder = Folder(tmp_path, FollowTimes(look=60, look_alone=60, heartbeat=60))
    session, other = folder.session(), folder.session()
    stream = folder.follower.events(pairs_of(session, other), 60)
    assert [next(stream).name for _ in range(2)] == ["state", "state"]
    # Nothing looks at this session any more, but who is told by the queue.
    news: list[Event] = []
    reader = threading.Thread(target=lambda: news.append(next(stream)))
    claim = folder.queue.claim_one(session.name)
    assert claim is not None
    reader.start()
    session.complete({"predictions": []})
    claim.done()
    reader.join(20)
    assert [(event.name, event.data["task"]) for event in news if event.name == "result"] == [
        ("result", session.name)
    ]
    stream.close()
    folder.queue.close()


def test_a_stream_follows_the_step_to_processing_and_the_places(folder: Folder) -> None:
    first, second = folder.session(), folder.session()
    stream = folder.follower.events(pairs_of(first, second), 60)
    assert [next(stream).data["place"] for _ in range(2)] == [0, 1]
    claim = folder.queue.claim_one(first.name)
    assert claim is not None
    first.start()
    news: dict[str, tuple[str, int | None]] = {}
    for event in stream:
        if event.name == "state":
            news[event.data["task"]] = (event.data["state"], event.data["place"])
        if news == {first.name: ("processing", None), second.name: ("initialization", 0)}:
            break
    stream.close()


def test_a_stream_that_is_left_waits_for_nothing_any_more(folder: Folder) -> None:
    stream = folder.follower.events(pairs_of(folder.session()), 60)
    next(stream)
    assert len(folder.waiters) == 1
    stream.close()
    assert len(folder.waiters) == 0


def test_a_waiting_session_is_not_looked_at_by_itself(folder: Folder) -> None:
    session = folder.session()
    stream = folder.follower.events(pairs_of(session), 60)
    assert next(stream).name == "state"
    os.rename(session.path, session.path.with_name("hidden"))
    # Its ticket says that it waits; only that is read.
    assert next(stream).name == "beat"
    stream.close()


def open_stream(live: Live, answer: Answer) -> requests.Response:
    return requests.get(f"{live.url}/events", params=query(answer), stream=True, timeout=60)


@pytest.mark.slow
def test_a_real_server_sends_each_event_at_once_to_more_than_it_has_threads(
    tmp_path: Path,
) -> None:
    live = Live(tmp_path, SCAI_THREADS="2").wait_ready()
    try:
        workers = live.pids("workers.image_classification")
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        answer = live.post(IC.upload, digit())
        streams = [open_stream(live, answer) for _ in range(5)]
        lines = [stream.iter_lines() for stream in streams]
        for each in lines:
            assert b"event: state" in each  # it comes while nothing else happens
        for stream in streams[:2]:
            stream.close()
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        assert b"event: result" in lines[2]
        assert b"event: end" in lines[2]
        # A stream that is open does not keep the server from ending.
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        last = open_stream(live, live.post(IC.upload, digit()))
        assert b"event: state" in last.iter_lines()
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        assert live.stop(seconds=10) == 0
    finally:
        live.stop()
