"""The home page as HTML, before any script: what forms need, what is told of the models."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from support.inprocess import Site
from support.kinds import KINDS

from scai.jobs.service import JobService
from scai.queues.memory import MemoryQueue
from scai.settings import ROOT, Settings
from scai.web.app import create_app

SAMPLES = ROOT / "static" / "samples"
LARGEST = 60_000  # bytes of all samples together


@pytest.fixture
def bundled(tmp_path: object) -> Iterator[FlaskClient]:
    """The pages over the models that come with the project."""
    settings = Settings(sessionpath=tmp_path / "session")  # type: ignore[operator]
    service = JobService(settings, {routes.name: MemoryQueue(routes.name) for routes in KINDS})
    yield create_app(service, settings).test_client()
    service.close()


def forms(html: str) -> list[str]:
    return re.findall(r"<form id=.*?</form>", html, re.S)


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
