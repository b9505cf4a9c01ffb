"""The home page as HTML, before any script: what forms need, what is told of the models."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html import unescape

import pytest
from flask.testing import FlaskClient
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS

from scai.jobs.service import JobService
from scai.queues.memory import MemoryQueue
from scai.settings import ROOT, Settings
from scai.web.app import create_app

IC, _ = KINDS
SAMPLES = ROOT / "static" / "samples"
LARGEST = 60_000  # bytes of all samples together


@pytest.fixture
def bundled(tmp_path: object) -> Iterator[FlaskClient]:
    """The pages over the models that come with the project."""
    settings = Settings(sessionpath=tmp_path / "session")  # type: ignore[operator]
    service = JobService(settings, {routes.name: MemoryQueue(routes.name) for routes in KINDS})
    yield create_app(service, settings).test_client()
    service.close()


def forms(text: str) -> list[str]:
    return re.findall(r"<form id=.*?</form>", text, re.S)


def test_each_form_says_its_kind_and_carries_the_token(site: Site) -> None:
    page = site.http.get("/")
    found = forms(page.text)
    assert [re.search(r'name="kind" value="(\w+)"', form)[1] for form in found] == [  # type: ignore[index]
        routes.name for routes in KINDS
    ]
    for form in found:
        assert re.search(r'name="csrf_token" value="[0-9a-f]{40}"', form)
        assert 'action="/photo"' in form


def test_a_site_without_our_models_offers_neither_our_samples_nor_the_pad(site: Site) -> None:
    html = site.http.get("/").text
    assert "data-address" not in html
    assert 'data-way="pad"' not in html
    assert 'data-pad=""' in html


def test_the_models_are_told_with_what_they_know_and_how_well(bundled: FlaskClient) -> None:
    classify, detect = forms(bundled.get("/?lang=en").text)
    about = re.findall(
        r'<p class="about" data-model="([\w-]+)"( hidden)?>(.*?)</p>', classify, re.S
    )
    assert [(name, bool(hidden)) for name, hidden, _ in about] == [
        ("objects", False),
        ("digits", True),
    ]
    assert "10 classes: airplane, automobile" in about[0][2]
    assert re.search(r"Accuracy on its test pictures: \d\d\.\d%", about[0][2])
    assert 'data-pad="digits"' in classify
    assert 'data-pad="digit-detector"' in detect


def test_every_sample_is_there_and_all_are_small(bundled: FlaskClient) -> None:
    html = bundled.get("/").text
    offered = re.findall(r'data-address="/static/v-[0-9a-f]+/samples/(\w+)\.webp"', html)
    files = sorted(SAMPLES.iterdir())
    assert sorted(f"{name}{end}.webp" for name in offered for end in ("", "-small")) == [
        file.name for file in files
    ]
    assert sum(file.stat().st_size for file in files) < LARGEST


def test_the_samples_are_drawn_by_the_project_itself() -> None:
    from tools.artwork.sample_pages import PAGES
    from tools.artwork.sample_scenes import SCENES

    assert {*PAGES, *SCENES} == {file.stem for file in SAMPLES.iterdir() if "-" not in file.stem}
    picture = PAGES["numbers"]()
    assert picture.tobytes() == PAGES["numbers"]().tobytes()  # the same each time


def test_a_wrong_label_map_is_told_by_its_section_and_takes_no_page_down(site: Site) -> None:
    (site.settings.icconfig.parent / "bad.pbtxt").write_text('item { name "cat" id: 1 }')
    with site.settings.icconfig.open("a") as config:
        config.write("[mine]\nENGINE = fake\nLABELS = bad.pbtxt\n")
    for path in ("/", "/models", "/models.json", "/docs", "/status"):
        assert site.http.get(path).status_code == 200, path
    for path in ("/?lang=en", "/models?lang=en"):
        page = unescape(site.http.get(path).text)
        assert "mine" in page
        assert "bad.pbtxt, line 1: expected ':' before 'cat', got none" in page
    assert "The model mine cannot be used." in site.http.get("/?lang=en").text
    models = {model["name"]: model for model in site.http.get("/models.json").get_json()}
    assert [name for name, model in models.items() if model["problem"]] == ["mine"]
    assert site.get(IC.result, site.post(IC, picture()))["state"] == "initialization"


def test_a_label_file_that_is_a_pipe_stops_no_page(site: Site) -> None:
    os.mkfifo(site.settings.icconfig.parent / "pipe.txt")
    with site.settings.icconfig.open("a") as config:
        config.write("[mine]\nENGINE = fake\nLABELS = pipe.txt\n")
    assert "pipe.txt" in site.http.get("/").text


def test_a_models_file_that_cannot_be_read_is_told_on_the_home_page(site: Site) -> None:
    site.settings.icconfig.write_text("no section\n")
    assert "The models file cannot be read." in site.http.get("/?lang=en").text


def test_a_section_that_nobody_foresaw_is_wrong_and_no_more(site: Site) -> None:
    with site.settings.icconfig.open("a") as config:
        config.write(f"[mine]\nENGINE = fake\nLABELS = {'x' * 5000}\n")
    models = {model["name"]: model for model in site.http.get("/models.json").get_json()}
    assert [name for name, model in models.items() if model["problem"]] == ["mine"]
    assert site.http.get("/").status_code == 200
