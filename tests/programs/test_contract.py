"""The original's contract over HTTP, asked of real processes in both running modes."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.helpers import picture, picture_without_its_end
from support.kinds import KINDS
from support.live import IC, OBJECTS, OD, Live, digit

from scai.kinds import Kind
from scai.settings import ROOT

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("routes", KINDS, ids=lambda r: r.name)
PROCESS_KEYS = {"state", "job", "key", "input_image", "message", "result", "result_image"}


@pytest.fixture(scope="module", params=["runtime", "job"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    if request.param == "runtime":
        yield request.getfixturevalue("live")
        return
    running = Live(tmp_path_factory.mktemp("job"), "--runningmode", "job")
    try:
        yield running.wait_ready()
    finally:
        running.stop()


def poll(server: Live, routes: Kind, answer: dict) -> dict:
    """As the original's page does: ask again and again, without waiting on the server."""
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    pause = threading.Event()
    for _ in range(600):
        result = requests.get(server.url + routes.result, params=query, timeout=10).json()
        if result["state"] in ("complete", "failure"):
            return result
        assert result["state"] in ("initialization", "processing")
        pause.wait(0.1)
    raise AssertionError(f"no verdict: {result}")


@BOTH
def test_upload_poll_and_fetch(server: Live, routes: Kind) -> None:
    answer = server.post(routes.upload, digit(), "My.PNG")
    assert set(answer) == {"status", "filename", "datetime", "sessname", "sesskey"}
    assert (answer["status"], answer["filename"]) == ("success", "My.PNG")
    assert re.fullmatch(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", answer["datetime"])
    assert re.fullmatch(r"d-\d{8}-[0-9a-f]{40}", answer["sessname"])
    assert re.fullmatch(r"[0-9a-f]{40}", answer["sesskey"])

    result = poll(server, routes, answer)
    assert set(result) >= {"state", "job", "message", "result", "result_image"}
    assert not {"key", "input_image"} & set(result)
    assert (result["state"], result["job"]) == ("complete", routes.name)
    kind = "Image classification" if routes is IC else "Object detection"
    assert re.fullmatch(rf"{kind} finished on \d\d:\d\d:\d\d", result["message"])
    if routes is IC:
        scores = json.loads(result["result"])
        assert set(scores) < OBJECTS and len(scores) == 5
        percents = [float(text.removesuffix("%")) for text in scores.values()]
        assert percents == sorted(percents, reverse=True)
        assert result["result_image"] == ""
    else:
        assert (result["result"], result["result_image"]) == ("", "output.png")

    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    sent = requests.get(server.url + routes.input, params=query, timeout=10)
    assert (sent.status_code, sent.content) == (200, digit())
    assert sent.headers["Content-Type"] == "image/png"
    if routes.output:
        drawn = requests.get(server.url + routes.output, params=query, timeout=10)
        assert (drawn.status_code, drawn.headers["Content-Type"]) == (200, "image/png")

    folder = server.sessions / answer["sessname"]
    record = json.loads((folder / "process.json").read_text())
    assert set(record) >= PROCESS_KEYS
    assert all(isinstance(record[key], str) for key in PROCESS_KEYS)
    assert record["input_image"] == "input.PNG" and (folder / "input.PNG").exists()
    assert json.loads((folder / "result.json").read_text())["state"] == "complete"


@BOTH
def test_a_picture_that_only_the_worker_finds_broken_is_a_failure(
    server: Live, routes: Kind
) -> None:
    answer = server.post(routes.upload, picture_without_its_end(), "cut.jpg")
    assert answer["status"] == "success"
    result = poll(server, routes, answer)
    assert result["state"] == "failure"
    kind = "Image classification" if routes is IC else "Object detection"
    assert re.match(rf"{kind} failed on \d\d:\d\d:\d\d", result["message"])
    assert result["stage"] == "decode"
    assert server.post(routes.upload, picture())["status"] == "success"


@BOTH
def test_refusals(server: Live, routes: Kind) -> None:
    for method, status in (("GET", 200), ("OPTIONS", 200), ("POST", 400)):
        answer = requests.request(method, server.url + routes.upload, timeout=10)
        assert answer.status_code == status
        assert answer.json()["sessname"] == "please follow the api instruction"
    answer = server.post(routes.upload, b"#!/bin/sh", "../../evil.sh")
    assert answer["status"] == "error"
    assert answer["sessname"] == "not supported file format (jpg, png)"
    assert [answer[key] for key in ("filename", "datetime", "sesskey")] == ["", "", ""]


@BOTH
def test_queries_that_open_nothing(server: Live, routes: Kind) -> None:
    answer = server.post(routes.upload, picture())
    task, key = answer["sessname"], answer["sesskey"]
    other = OD if routes is IC else IC
    placeholder = (ROOT / "usr" / "task404.jpg").read_bytes()
    for asked, query in (
        (routes, {}),
        (routes, {"task": task}),
        (routes, {"key": key}),
        (routes, {"task": "..", "key": key}),
        (routes, {"task": task, "key": key[::-1]}),
        (other, {"task": task, "key": key}),
    ):
        got = requests.get(server.url + asked.result, params=query, timeout=10)
        assert (got.status_code, got.json()["sessname"]) == (404, "no available task, key or job")
        for path in filter(None, (asked.input, asked.output)):
            image = requests.get(server.url + path, params=query, timeout=10)
            assert (image.status_code, image.content) == (404, placeholder)


def test_the_page_has_the_names_that_scripts_look_for(server: Live) -> None:
    page = requests.get(server.url + "/", timeout=10).text
    for name in ("imageclassification", "objectdetection", "icupload", "odupload"):
        assert f'id="{name}"' in page
    assert page.count('name="photo"') == 2


def test_readyz_says_yes(server: Live) -> None:
    ready = requests.get(server.url + "/readyz", timeout=10)
    assert (ready.status_code, ready.json()["ready"]) == (200, True)


def test_nothing_was_left_outside_the_sessions(server: Live) -> None:
    inside = {path.name for path in Path(server.sessions).parent.iterdir()}
    assert inside <= {"session", "pooling"}
