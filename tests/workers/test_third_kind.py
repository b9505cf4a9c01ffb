"""A third kind of recognition is three files in a folder, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from support.helpers import picture
from support.inprocess import Site
from support.live import Live
from support.toy_kind import NAME, make_toy

from scai import kinds
from scai.cli.__main__ import main as scai
from scai.jobs import service
from scai.kinds import Kind

BUILT_IN = list(kinds.load())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with the toy kind beside the kinds of the project."""
    site = Site(tmp_path, workerspath=str(make_toy(tmp_path)))
    yield site
    site.close()


@pytest.fixture
def toy(site: Site) -> Kind:
    return site.settings.kinds[NAME]


@pytest.fixture
def verdict(site: Site, toy: Kind) -> dict[str, Any]:
    """The answer to an upload that was recognised."""
    answer = site.post(toy, picture(color=(250, 250, 250)))
    assert site.get(toy.result, answer)["state"] == "initialization"
    site.workers[NAME].step()
    return answer


def test_an_upload_gets_its_verdict(site: Site, toy: Kind, verdict: dict[str, Any]) -> None:
    result = site.get(toy.result, verdict)
    assert (result["state"], result["job"], result["result_image"]) == ("complete", NAME, "")
    assert [row["label"] for row in result["predictions"]] == ["day", "night"]
    query = {"task": verdict["sessname"], "key": verdict["sesskey"]}
    assert site.http.get(toy.input, query_string=query, buffered=True).data == picture(
        color=(250, 250, 250)
    )


def test_its_photo_has_a_page(site: Site, verdict: dict[str, Any]) -> None:
    query = {"task": verdict["sessname"], "key": verdict["sesskey"]}
    page = site.http.get("/photo", query_string=query)
    assert page.status_code == 200 and "day" in page.text


@pytest.mark.parametrize(
    ("path", "sign"),
    [
        ("/", "Day or night"),
        ("/batch", "Day or night"),
        ("/docs", "Day or night: send a photo"),
        ("/history", NAME),
        ("/models", "Day or night"),
        ("/status", f"queue-{NAME}"),
    ],
)
def test_pages_show_it(site: Site, path: str, sign: str) -> None:
    page = site.http.get(path)
    assert page.status_code == 200 and sign in page.text.partition("<body>")[2]


def test_the_description_of_the_api_knows_it(site: Site, toy: Kind) -> None:
    document = site.http.get("/openapi.json").get_json()
    assert set(document["paths"][toy.upload]) == {"get", "options", "post", "put"}
    assert set(document["paths"][toy.result]) == {"get", "delete"}
    result = document["components"]["schemas"]["Result"]
    assert result["properties"]["job"]["enum"] == [*BUILT_IN, NAME]


def test_the_status_has_a_row_for_it(site: Site, toy: Kind) -> None:
    site.post(toy, picture())
    queues = site.http.get("/status.json").get_json()["queues"]
    assert [queue["kind"] for queue in queues] == [*BUILT_IN, NAME]


def test_it_has_a_queue_folder_a_models_file_and_a_worker_of_its_own(site: Site, toy: Kind) -> None:
    settings = site.settings
    assert settings.pool(NAME) == settings.icpoolpath.parent / NAME
    assert settings.models_file(NAME) == toy.file.with_suffix(".config")
    assert settings.worker_count(NAME) == 1
    assert service.build(settings).kinds == [*BUILT_IN, NAME]


def test_a_batch_may_be_of_it(site: Site) -> None:
    made = site.http.post("/batches", data={"kind": NAME, "open": "1"}).get_json()
    assert made["status"] == "success"


@pytest.mark.slow
def test_scai_up_runs_its_worker(tmp_path: Path) -> None:
    running = Live(
        tmp_path,
        SCAI_WORKERSPATH=str(make_toy(tmp_path)),
        SCAI_IC_WORKERS="0",
        SCAI_OD_WORKERS="0",
    )
    try:
        running.wait_ready()
        photo = tmp_path / "night.png"
        photo.write_bytes(picture(color=(5, 5, 5), format="PNG"))
        submit = ["submit", str(photo), "--job", "daylight", "--server", running.url]
        sent = CliRunner(env={"SCAI_WORKERSPATH": str(tmp_path / "more kinds")}).invoke(
            scai, submit, catch_exceptions=False
        )
        assert sent.exit_code == 0 and "night" in sent.output
        ready = requests.get(f"{running.url}/readyz", timeout=30).json()
        assert ready["warm_workers"][NAME] == 1
    finally:
        code = running.stop()
    assert code == 0, "\n".join(running.log)
