"""What the portal tells of models: /models.json, the page, the plots, and nothing besides."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.helpers import picture, wait_until
from support.inprocess import Site
from support.kinds import KINDS

from scai import plugins
from scai.engines.base import PLAIN, Plan
from scai.jobs.service import JobService
from scai.models import cards, speeds
from scai.models.notes import Notes
from scai.queues.memory import MemoryQueue
from scai.recognition.loaded_models import ModelCache
from scai.recognition.speed_records import PlanSpeed, SpeedRecord, write
from scai.recognition.speed_trials import Trial, pick_fastest
from scai.settings import ROOT, Settings
from scai.web.app import create_app
from scai.worker.pipeline import Worker

IC = "image_classification"
HOSTILE = "<script>alert(1)</script>"


def png(width: int = 3, height: int = 2, more: bytes = b"") -> bytes:
    """The head of a PNG, as far as it is looked at."""
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + more


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def shelf(site: Site, tmp_path: Path) -> Callable[..., Path]:
    """Put a model [name] with this card.json and these files on the site; returns its folder."""

    def put(card: object = None, name: str = "mine", **files: bytes) -> Path:
        folder = tmp_path / "usr" / "models" / "mine"
        folder.mkdir(parents=True)
        (folder / "graph.tflite").write_bytes(b"x" * 1234)
        (folder / "labels.txt").write_text("cat\ndog\n")
        if card is not None:
            text = card if isinstance(card, str) else json.dumps(card)
            (folder / "card.json").write_text(text)
        for file, data in files.items():
            (folder / f"{file}.png").write_bytes(data)
        with site.settings.icconfig.open("a") as config:
            config.write(
                f"[{name}]\nGRAPH = models/mine/graph.tflite\nLABELS = models/mine/labels.txt\n"
            )
        return folder

    return put


def model_document(site: Site, name: str = "mine") -> dict[str, Any]:
    """The model of that name in /models.json."""
    found = site.http.get("/models.json").get_json()
    return next(model for model in found if model["name"] == name)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A portal with the models of the project itself."""
    folder = tmp_path_factory.mktemp("shipped")
    settings = Settings(
        sessionpath=folder / "session",
        cachepath=folder / "cache",
        icconfig=ROOT / "usr" / "image_classification.config",
        odconfig=ROOT / "usr" / "object_detection.config",
    )
    queues = {kind: MemoryQueue(kind) for kind in plugins.names("workers")}
    return create_app(JobService(settings, queues), settings).test_client()


def test_the_models_of_the_project_tell_what_matters(shipped: FlaskClient) -> None:
    models = {model["name"]: model for model in shipped.get("/models.json").get_json()}
    assert set(models) == {"objects", "digits", "digit-detector", "blood-cells"}
    objects, cells = models["objects"], models["blood-cells"]
    assert (objects["default"], objects["aliases"]) == (True, ["default"])
    assert (objects["classes"], objects["labels"][0]) == (10, "airplane")
    assert objects["input"] == {"width": 32, "height": 32, "resize": "area"}
    assert objects["metrics"][0]["title"].startswith("accuracy")
    assert (cells["metrics"][0]["name"], cells["metrics"][0]["unit"]) == ("mAP@0.5", "share")
    assert cells["metrics"][-1]["label"] == "WBC"
    assert objects["files"][0]["name"] == "objects.tflite"
    assert (
        objects["files"][0]["bytes"] == (ROOT / "usr/models/objects/objects.tflite").stat().st_size
    )
    assert all(model["limits"] and model["licence"] for model in models.values())
    assert (objects["running"], objects["speed"]) == ([], {})


def test_every_plot_that_is_told_of_is_served(shipped: FlaskClient) -> None:
    urls = [p["url"] for m in shipped.get("/models.json").get_json() for p in m["plots"]]
    assert len(urls) >= 8
    for url in urls:
        answer = shipped.get(url)
        assert (answer.status_code, answer.mimetype) == (200, "image/png")
        assert "immutable" in answer.headers["Cache-Control"]
        again = shipped.get(url, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    assert shipped.get(urls[0].partition("?")[0]).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/models/image_classification/objects/card.json",
        "/models/image_classification/objects/objects.tflite",
        "/models/image_classification/objects/labels.txt",
        "/models/image_classification/objects/..%2fdigits%2fcurves.png",
        "/models/image_classification/../objects/curves.png",
        "/models/image_classification/nobody/curves.png",
        "/models/object_detection/objects/curves.png",
        "/models/nothing/objects/curves.png",
        "/models/image_classification/objects/.png",
    ],
)
def test_nothing_but_plots_is_served(shipped: FlaskClient, path: str) -> None:
    answer = shipped.get(path)
    assert answer.status_code == 404
    if answer.is_json:
        assert answer.get_json()["code"] == "not_found"
        assert set(answer.get_json()) >= {"status", "filename", "datetime", "sessname", "sesskey"}


def test_the_page_shows_every_model(shipped: FlaskClient) -> None:
    page = shipped.get("/models").get_data(as_text=True)
    for anchor in ("objects", "digits", "digit-detector", "blood-cells", "compare", "add"):
        assert f'id="{anchor}"' in page
    assert "style=" not in page
    assert "Not measured yet" in page


def test_a_model_without_a_card_gets_an_honest_one(site: Site, shelf: Callable[..., Path]) -> None:
    shelf(None, curves=png())
    model = model_document(site)
    assert (model["labels"], model["metrics"], model["plots"]) == (["cat", "dog"], [], [])
    assert "has no model card" in site.http.get("/models").get_data(as_text=True)


def test_a_wrong_section_says_so_and_the_others_stay(site: Site) -> None:
    with site.settings.icconfig.open("a") as config:
        config.write("[broken]\nGRAPH = models/nowhere.pb\n[round]\nUSE = round\n")
        config.write("[far]\nGRAPH = /srv/secret/far.pb\n")
    found = {model["name"]: model for model in site.http.get("/models.json").get_json()}
    assert "nowhere.pb" in found["broken"]["problem"]
    assert "circle" in found["round"]["problem"]
    assert "far.pb" in found["far"]["problem"]
    assert found["other"]["problem"] == ""
    # Where things lie on the server is nobody's business.
    page = site.http.get("/models").get_data(as_text=True)
    for told in (json.dumps(found), page):
        assert str(site.settings.icconfig.parent) not in told and "/srv" not in told
    assert "This model cannot be used" in page


def test_a_broken_models_file_is_told_on_the_page(site: Site) -> None:
    site.settings.icconfig.write_text("no section\n")
    page = site.http.get("/models")
    assert page.status_code == 200
    assert "cannot be read" in page.get_data(as_text=True)
    assert {model["kind"] for model in site.http.get("/models.json").get_json()} == {
        "object_detection"
    }


@pytest.mark.parametrize(
    "card",
    [
        "not json",
        "[]",
        '"text"',
        "{",
        "[" * 100_000,
        {"metrics": [1, 2], "limits": {"a": 1}, "input": 5, "files": ["x"], "classes": 3},
        {"metrics": {"accuracy": "high", "b": True, "c": None, "d": [1]}, "summary": ["x"]},
        {"input": {"width": -1, "height": 1e9}, "limits": [1, None, {"a": 2}]},
        '{"metrics": {"accuracy": 1e999}}',
        '{"metrics": {"a": ' + "9" * 5000 + "}}",
        '{"summary": "half a pair \\ud800", "limits": ["\\u0000\\u001b[31m"]}',
        {"summary": "x" * 3_000_000},
        {"metrics": {f"m{i}": i for i in range(5000)}, "limits": ["l"] * 5000},
    ],
    ids=range(13),
)
def test_any_card_is_survived(site: Site, shelf: Callable[..., Path], card: object) -> None:
    shelf(card)
    assert model_document(site)["labels"] == ["cat", "dog"]
    page = site.http.get("/models")
    assert (page.status_code, len(page.data) < 300_000) == (200, True)
    assert b"\x1b" not in page.data


def test_hostile_words_stay_words(site: Site, shelf: Callable[..., Path]) -> None:
    card = {
        "summary": HOSTILE,
        "limits": [HOSTILE],
        "licence": HOSTILE,
        "trained_with": HOSTILE,
        "metrics": {HOSTILE: 0.5, f"recall of {HOSTILE}": 0.5},
        "files": {HOSTILE: {}, "../../secret.txt": {}},
    }
    name = f"x/{HOSTILE} ü\"'"
    folder = shelf(card, name=name, curves=png())
    (folder / "labels.txt").write_text(f"{HOSTILE}\n")
    page = site.http.get("/models").get_data(as_text=True)
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)") >= 8
    model = model_document(site, name)
    assert model["files"][1:] == []
    assert site.http.get(model["plots"][0]["url"]).data == png()


def test_only_plain_pictures_of_the_folder_are_plots(
    site: Site, shelf: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    card = {
        "files": {name: {} for name in ("mine.png", "../../secret.png", "huge.png", "text.png")}
    }
    folder = shelf(card, mine=png(), unlisted=png(), huge=png(10**6, 1), text=b"not a png")
    (folder / "curves.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(folder / "pr.png")
    (folder / "classes.png").mkdir()
    assert [plot["name"] for plot in model_document(site)["plots"]] == ["mine.png"]
    for name in ("unlisted.png", "curves.png", "pr.png", "classes.png", "huge.png", "text.png"):
        assert site.http.get(f"/models/{IC}/mine/{name}").status_code == 404
    # A picture that becomes a link after it was told of is not followed either.
    (folder / "mine.png").unlink()
    (folder / "mine.png").symlink_to(tmp_path / "secret.png")
    assert site.http.get(f"/models/{IC}/mine/mine.png").status_code == 404


def test_changes_are_seen_at_once(site: Site, shelf: Callable[..., Path]) -> None:
    folder = shelf({"summary": "before"})
    assert model_document(site)["summary"] == "before"
    (folder / "card.json").write_text('{"summary": "now"}')
    (folder / "labels.txt").write_text("one\ntwo\nthree\n")
    assert (model_document(site)["summary"], model_document(site)["classes"]) == ("now", 3)
    site.settings.icconfig.write_text("[only]\nENGINE = fake\n")
    kinds = [m["name"] for m in site.http.get("/models.json").get_json() if m["kind"] == IC]
    assert kinds == ["only"]


def test_nothing_is_read_again_without_a_change(
    site: Site, shelf: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf({"summary": "once"})
    first = model_document(site)
    read: list[object] = []
    monkeypatch.setattr(Notes, "read", lambda folder: read.append(folder))
    assert model_document(site) == first
    assert read == []


def test_what_workers_tell_is_shown_as_far_as_it_is_for_visitors(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts: dict[str, Any] = {"model": "other", "warm": True, "engine": "fake", "plan": "plain"}
    began_with_it = {**facts, "done": 3, "batch": "many", "secret": "x", "pid": 5}
    loaded_it = {"model": "default", "warm": True, "engine": "y", "loaded": {"other": "fake"}}
    monkeypatch.setattr(
        site.service, "workers", lambda: {IC: [began_with_it, loaded_it], "object_detection": []}
    )
    other = model_document(site, "other")
    assert other["running"] == [
        {"warm": True, "engine": "fake", "plan": "plain", "done": 3},
        {"warm": True, "engine": "fake"},
    ]
    assert other["engine"] == "fake"
    assert "Loaded, on fake" in site.http.get("/models").get_data(as_text=True)


MEASURED = SpeedRecord(
    "openvino",
    Plan(2),
    8,
    200.0,
    250.0,
    "litert",
    180.0,
    190.0,
    plan_speeds=(
        PlanSpeed("litert", "plain", 180.0, 190.0),
        PlanSpeed("openvino", "2 lanes", 200.0, 250.0),
    ),
)


def test_what_was_measured_is_found_by_its_model(
    site: Site, shelf: Callable[..., Path], tmp_path: Path
) -> None:
    folder = shelf({})
    graph = folder / "graph.tflite"
    cache = tmp_path / "cache"
    object.__setattr__(site.settings, "cachepath", cache)
    assert model_document(site)["speed"] == {}
    write(cache, "0" * 32, MEASURED, graph)
    speed = model_document(site)["speed"]
    assert (speed["engine"], speed["single"], speed["many"], speed["ms"]) == (
        "openvino",
        200.0,
        250.0,
        5.0,
    )
    assert [(t["engine"], t["taken"]) for t in speed["tried"]] == [
        ("openvino", True),
        ("litert", False),
    ]
    assert model_document(site)["engine"] == "openvino"
    page = site.http.get("/models").get_data(as_text=True)
    assert "250 images/s in batches of 8" in page
    graph.write_bytes(b"another model")
    assert model_document(site)["speed"] == {}


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"of": 3}', '{"of": {"path": 1}, "images_per_s": 5}', "{}", '{"of": {}}'],
)
def test_a_damaged_measurement_is_none(
    site: Site, shelf: Callable[..., Path], tmp_path: Path, text: str
) -> None:
    shelf({})
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / f"{'0' * 32}-8.json").write_text(text)
    object.__setattr__(site.settings, "cachepath", cache)
    assert model_document(site)["speed"] == {}


def test_a_measurement_of_a_worker_needs_no_file_and_hides_folders() -> None:
    graph = Path("/srv/models/m.tflite")
    told_by_worker = {**MEASURED.to_dict(), "tried": [], "refused": {"a": f"cannot read {graph}"}}
    speed = speeds.describe(told_by_worker, graph)
    assert speed["refused"] == {"a": "cannot read m.tflite"}
    assert [(t["engine"], t["single"]) for t in speed["tried"]] == [
        ("openvino", 200.0),
        ("litert", 180.0),
    ]
    assert speeds.describe({**told_by_worker, "images_per_s": {"single": "fast"}}, graph) == {}


def test_telling_of_models_loads_no_numpy() -> None:
    code = "import sys, scai.web.routes.models; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_all_that_was_timed_is_kept() -> None:
    plain = Trial("litert", PLAIN, [0.01] * 9, [0.02] * 9)
    lanes = Trial("litert", Plan(2), [0.004] * 9, [0.01] * 9)
    wrong = Trial("openvino", PLAIN, refusal="other answers")
    found = pick_fastest([plain, lanes, wrong], ["litert", "openvino"], 8)
    assert found.plan_speeds == (
        PlanSpeed("litert", "plain", 100.0, 50.0),
        PlanSpeed("litert", "2 lanes", 250.0, 100.0),
    )
    assert SpeedRecord.from_dict(found.to_dict()) == found
    before = {key: value for key, value in found.to_dict().items() if key != "tried"}
    assert SpeedRecord.from_dict(before).plan_speeds == ()


def test_a_worker_tells_which_models_it_has_loaded(site: Site) -> None:
    facts: dict[str, Any] = {}
    build = plugins.load("workers", IC).build
    config = site.settings.icconfig
    models = ModelCache(lambda name: build(cards.load_card(config, name, IC)))
    sessions = site.settings.sessionpath
    worker = Worker(
        site.queues[IC],
        models,
        sessions,
        tell=lambda **more: facts.update(more),
    )
    site.post(KINDS[0], picture(), model="other")
    running = threading.Thread(target=worker.run, args=(0.01,))
    running.start()
    try:
        wait_until(lambda: "loaded" in facts, what="a report")
    finally:
        worker.stop()
        running.join()
        worker.close()
    assert facts["loaded"] == {"other": "fake"}
