"""The state of the server in one document, and the page that shows it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.helpers import Clock
from support.queueing import NOW, wait_in
from support.svg import pieces

from scai import processes
from scai.errors import BadImage, ScaiError, WorkerDied
from scai.jobs.service import JobService
from scai.monitoring.journal import Journal, JournalEntry
from scai.monitoring.overview import Overview
from scai.monitoring.queue_status import QueueStatus, queue_status
from scai.queues._owners import Owner
from scai.queues.base import JobQueue
from scai.queues.directory import DirectoryQueue
from scai.queues.memory import MemoryQueue
from scai.settings import Settings
from scai.storage.session import new_name
from scai.web.app import create_app

IC, OD = "image_classification", "object_detection"


@pytest.fixture
def clock() -> Clock:
    """Both clocks: the time of day and the one that only goes on."""
    return Clock(NOW)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    own_settings = Settings(
        sessionpath=tmp_path / "session",
        icpoolpath=tmp_path / "pooling" / IC,
        odpoolpath=tmp_path / "pooling" / OD,
        durability="off",
    )
    own_settings.sessionpath.mkdir()
    for kind in (IC, OD):
        DirectoryQueue(own_settings.pool(kind), kind, doorbell=False)
    return own_settings


@pytest.fixture
def overview(settings: Settings, clock: Clock) -> Overview:
    return Overview(settings, clock, clock)


@pytest.fixture
def hire(settings: Settings) -> Iterator[Callable[..., Owner]]:
    """Lets this process be a worker."""
    owners: list[Owner] = []

    def hire(kind: str = IC, **facts: Any) -> Owner:
        owners.append(Owner(f"{settings.pool(kind)}/.owners"))
        warm = {"model": "digits", "engine": "fake", "plan": "plain", "warm": True, "batch": 8}
        owners[-1].announce(**{"kind": kind, "started": NOW - 90, **warm, **facts})
        return owners[-1]

    yield hire
    for owner in owners:
        owner.close()


@pytest.fixture
def staffed(hire: Callable[..., Owner]) -> None:
    hire(IC)
    hire(OD)


def note(settings: Settings, kind: str, *entries: JournalEntry) -> None:
    for entry in entries:
        journal = Journal(settings.pool(kind), lambda at=entry.time: at)
        journal.note(lambda entry=entry: entry)
        journal.close()
        assert journal.losses == 0


def of(document: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(queue for queue in document["queues"] if queue["kind"] == kind)


def ages_of(document: dict[str, Any], kind: str) -> dict[int | None, int]:
    return {age["up_to"]: age["count"] for age in of(document, kind)["ages"] if age["count"]}


def test_waiting_jobs_are_counted_by_age(settings: Settings, overview: Overview) -> None:
    wait_in(settings, IC, 0.5, 1, 1.5, 5, 5.5, 1280, 1281, 90_000)
    document = overview.read()
    assert ages_of(document, IC) == {1: 2, 2: 1, 5: 1, 10: 1, 1280: 1, None: 2}
    assert of(document, IC)["oldest_s"] == 90_000
    assert ages_of(document, OD) == {} and of(document, OD)["oldest_s"] is None


def test_a_job_whose_name_does_not_tell_when_it_came_waits_without_an_age(
    settings: Settings, overview: Overview
) -> None:
    (settings.pool(IC) / f"d-20260101-{'f' * 40}").touch()
    (settings.pool(IC) / "notes.txt").touch()
    queue = of(overview.read(), IC)
    assert queue["waiting"] == 1 and queue["oldest_s"] is None
    assert not any(age["count"] for age in queue["ages"])


def test_a_clock_that_ran_ahead_makes_nobody_older_than_now(
    settings: Settings, overview: Overview
) -> None:
    wait_in(settings, IC, -30)
    assert ages_of(overview.read(), IC) == {1: 1}


def test_many_watchers_cost_one_reading_a_second(
    settings: Settings, overview: Overview, clock: Clock
) -> None:
    first = overview.read()
    wait_in(settings, IC, 1)
    clock.now += 0.9
    assert overview.read() is first
    clock.now += 0.2
    assert overview.read()["waiting"] == 1


def test_a_long_queue_is_read_more_seldom(settings: Settings, clock: Clock) -> None:
    def slow(queue: JobQueue, now: float) -> QueueStatus:
        clock.now += 0.5
        return queue_status(queue, now)

    overview = Overview(settings, clock, clock, slow)
    overview.read()
    wait_in(settings, IC, 1)
    clock.now += 40
    assert overview.read()["waiting"] == 0
    clock.now += 11
    assert overview.read()["waiting"] == 1


@pytest.mark.parametrize("host", [socket.gethostname(), "my_host.example"])
def test_the_document_tells_of_workers(
    host: str,
    settings: Settings,
    overview: Overview,
    hire: Callable[..., Owner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    owner = hire(done=12, batch_sizes={"1": 4, "4": 2}, batches_closed={"free": 6}, helpers_died=3)
    owner.announce(phase="working", recognised=NOW - 12.5)
    owner.beat()
    os.utime(settings.pool(IC) / ".owners" / f"{owner.id}.beat", (NOW - 30, NOW - 30))
    queue = DirectoryQueue(settings.pool(IC), IC, doorbell=False)
    [worker] = of(overview.read(), IC)["workers"]
    assert worker["id"] == owner.id and worker["pid"] == os.getpid()
    assert (worker["state"], worker["in_hand"], worker["age_s"]) == ("idle", 0, 90)
    assert (worker["done"], worker["batch_sizes"]) == (12, {"1": 4, "4": 2})
    assert worker["helpers_died"] == 3
    assert (worker["phase"], worker["last_beat_s"], worker["recognised_s"]) == ("working", 30, 12.5)
    assert worker["memory_bytes"] > 1_000_000
    queue.close()


def test_a_worker_with_a_job_in_hand_is_busy_and_one_that_is_not_warm_is_loading(
    settings: Settings, overview: Overview, hire: Callable[..., Owner]
) -> None:
    owner = hire()
    (settings.pool(IC) / ".claimed" / f"{new_name(NOW)}@{owner.id}").touch()
    hire(OD, warm=False)
    document = overview.read()
    assert [worker["state"] for worker in of(document, IC)["workers"]] == ["busy"]
    assert of(document, IC)["running"] == 1
    assert [worker["state"] for worker in of(document, OD)["workers"]] == ["loading"]


HOSTILE_FACTS = [
    {"done": "many", "batch": -1, "batch_sizes": [1, 2], "batches_closed": {"x": "y"}},
    {"pid": 1e300, "started": None, "model": ["a"], "batch_sizes": {"x": 3, "4": True, "-1": 2}},
    {"pid": float("nan"), "plan": {}, "batch_sizes": {"9" * 400: 1, "5": 10**30}},
]


@pytest.mark.parametrize("facts", HOSTILE_FACTS)
def test_nothing_that_a_worker_tells_breaks_the_page(
    facts: dict[str, Any], overview: Overview, hire: Callable[..., Owner], http: FlaskClient
) -> None:
    hire(**facts)
    json.dumps(overview.read())
    assert http.get("/status").status_code == 200


def test_the_last_hour_is_told_minute_by_minute(settings: Settings, overview: Overview) -> None:
    note(
        settings,
        IC,
        JournalEntry(NOW - 7200, 1),
        JournalEntry(NOW - 120, 200),
        JournalEntry(NOW, 100),
    )
    note(settings, OD, JournalEntry.failure(BadImage("cut off", stage="decode"), NOW - 60, 300.0))
    document = overview.read()
    counts = [minute["count"] for minute in of(document, IC)["minutes"]]
    assert len(counts) == 60 and counts[-3:] == [1, 0, 1] and sum(counts) == 2
    assert document["hour"]["count"] == 3 and document["hour"]["failures"] == 1
    [failure] = document["failures"]
    assert failure == {
        "kind": OD,
        "code": "bad_image",
        "stage": "decode",
        "reason": "cut off",
        "count": 1,
        "last": NOW - 60,
    }


def test_held_jobs_are_told_by_their_reasons(settings: Settings, overview: Overview) -> None:
    hold = settings.pool(OD) / ".hold"
    for _ in range(3):
        (hold / new_name(NOW)).write_text("the worker died 3 times\n")
    (hold / new_name(NOW)).write_text("no such session\n")
    os.mkfifo(hold / new_name(NOW))
    queue = of(overview.read(), OD)
    assert queue["held"] == 5
    assert queue["holds"][0] == {"reason": "the worker died 3 times", "count": 3}


def test_no_name_and_no_key_of_a_session_gets_out(
    settings: Settings, overview: Overview, staffed: None, http: FlaskClient
) -> None:
    name = new_name(NOW)
    (settings.sessionpath / name).mkdir()
    wait_in(settings, IC, 3)
    (settings.pool(IC) / ".hold" / name).write_text("no such session")
    note(settings, IC, JournalEntry.failure(ScaiError(f"{name} is bad"), NOW, 1.0))
    for text in (json.dumps(overview.read()), http.get("/status").text):
        assert "d-2026" not in text and name[11:] not in text


def test_sessions_are_counted(settings: Settings, overview: Overview, clock: Clock) -> None:
    assert overview.read()["disk"]["sessions"] == 0
    for number in range(3):
        (settings.sessionpath / new_name(NOW + number)).mkdir()
    clock.now += 2
    disk = overview.read()["disk"]
    assert disk["sessions"] == 3 and not disk["sessions_capped"]
    assert 0 < disk["free_bytes"] <= disk["total_bytes"]


def test_folders_that_are_missing_are_nothing_and_are_not_made(
    tmp_path: Path, clock: Clock
) -> None:
    own_settings = Settings(
        sessionpath=tmp_path / "no", icpoolpath=tmp_path / "ic", odpoolpath=tmp_path / "od"
    )
    document = Overview(own_settings, clock, clock).read()
    assert document["disk"] is None and document["waiting"] == 0
    assert list(tmp_path.iterdir()) == []


def test_the_memory_of_a_process_is_known_while_it_lives() -> None:
    assert (processes.memory(os.getpid()) or 0) > 1_000_000
    assert processes.memory(2**22 + 1) is None


# The page


@pytest.fixture
def http(settings: Settings) -> FlaskClient:
    service = JobService(settings, {kind: MemoryQueue(kind) for kind in (IC, OD)})
    return create_app(service, settings).test_client()


def words(http: FlaskClient, **query: str) -> str:
    answer = http.get("/status", query_string=query)
    assert answer.status_code == 200
    return unescape(answer.text)


def headline(text: str) -> str:
    """The verdict of the status page."""
    [words] = re.findall(r'<h1 id="verdict"[^>]*>([^<]*)<', text)
    return str(words)


def test_the_page_says_that_everything_runs(http: FlaskClient, staffed: None) -> None:
    text = words(http)
    assert headline(text) == "Everything is running normally"
    assert "No photo in the last hour" in text and "No photos are waiting." in text
    assert 'data-level="good"' in text


def test_the_page_says_who_is_missing_and_what_to_do(
    http: FlaskClient, hire: Callable[..., Owner], settings: Settings
) -> None:
    hire(IC)
    wait_in(settings, OD, 1, 2, now=time.time())
    text = words(http)
    assert headline(text) == "No worker for object detection"
    assert "2 photos are waiting for a worker." in text
    assert "python -m workers.object_detection" in text
    assert 'data-level="bad"' in text


def test_the_page_says_that_a_worker_is_starting(
    http: FlaskClient, hire: Callable[..., Owner]
) -> None:
    hire(IC, warm=False)
    hire(OD)
    assert "The worker for image classification is starting" in words(http)


def test_the_page_says_that_a_queue_grows(
    http: FlaskClient, staffed: None, settings: Settings
) -> None:
    now = time.time()
    wait_in(settings, OD, 200, 20, now=now)
    note(settings, OD, JournalEntry(now - 5, 1000.0))
    text = words(http)
    assert "The queue for object detection is growing: the oldest photo has waited 3 min" in text


def test_the_page_says_why_photos_failed_and_what_to_do(
    http: FlaskClient, staffed: None, settings: Settings
) -> None:
    now = time.time()
    died = WorkerDied("the worker died 3 times while it was running this job")
    hostile = BadImage("<script>alert(1)</script>", stage="decode")
    note(settings, IC, *[JournalEntry.failure(error, now, 5.0) for error in (died, died, hostile)])
    answer = http.get("/status").text
    assert "<script>alert" not in answer and "&lt;script&gt;alert" in answer
    assert "2 photos failed because of the server" in answer
    assert "perhaps out of memory" in answer and "The picture is damaged." in answer


def test_the_page_says_how_to_release_what_is_held(
    http: FlaskClient, staffed: None, settings: Settings
) -> None:
    name = new_name(NOW)
    (settings.pool(IC) / ".hold" / name).write_text("no such session")
    text = words(http)
    assert (
        "Everything is running normally" in text
        and "1 photo for image classification is set aside" in text
    )
    assert "no such session" in text and "scai queue release" in text and name not in text


def test_job_mode_is_said_and_alarms_nobody(settings: Settings) -> None:
    own_settings = dataclasses.replace(settings, runningmode="job")
    service = JobService(own_settings, {kind: MemoryQueue(kind) for kind in (IC, OD)})
    text = words(create_app(service, own_settings).test_client())
    assert "Everything is running normally" in text and "Job mode" in text
    assert "No worker" not in text


def test_all_figures_are_there_without_scripts(
    http: FlaskClient, staffed: None, settings: Settings
) -> None:
    now = time.time()
    note(settings, IC, *[JournalEntry(now, 1000.0)] * 7)
    text = words(http)
    assert "7 photos in the last hour" in text
    [bar] = [path for path in re.findall(r'class="bar running" d="([^"]+)"', text) if path]
    [corners] = pieces(bar)
    # The last of 60 minutes.
    assert all(59 < x < 60 for x, _ in corners)
    assert '<meta http-equiv="refresh"' in text


def test_the_page_speaks_traditional_chinese(http: FlaskClient, staffed: None) -> None:
    assert headline(words(http, lang="zh-Hant")) == "一切正常"


def test_programs_get_the_same_figures(http: FlaskClient, staffed: None) -> None:
    answer = http.get("/status.json")
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.get_json()
    assert document["level"] == "good" and document["findings"] == []
    assert {queue["kind"] for queue in document["queues"]} == {IC, OD}
    assert document["settings"]["runningmode"] == "runtime"
