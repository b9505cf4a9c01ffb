"""The page of batches as the server makes it: its form, and what browsers without scripts see."""

from __future__ import annotations

import io
import zipfile
from urllib.parse import parse_qs, urlsplit

import pytest
from support.helpers import picture
from support.inprocess import Site

from scai.web.routes.batches import ROWS

WHITE = picture(color=(250, 250, 250))
KIND = "image_classification"


def submit(site: Site, *files: tuple[str, bytes], archive: bytes = b"", **fields: str):
    data = {
        "kind": KIND,
        "csrf_token": site.csrf_token("/batch"),
        # A browser sends an empty file for what was left empty.
        "photo": [(io.BytesIO(content), name) for name, content in files or [("", b"")]],
        "archive": (io.BytesIO(archive), "photos.zip" if archive else ""),
        **fields,
    }
    return site.http.post("/batch", data=data)


def test_the_form_leads_to_a_page_with_the_table(site: Site) -> None:
    answer = submit(site, ("white <b>.jpg", WHITE), ("words.txt", b"words"))
    assert answer.status_code == 303
    place = answer.headers["Location"]
    page = site.http.get(place).get_data(as_text=True)
    assert "white &lt;b&gt;.jpg" in page and "Refresh" in page and "rejected" in page
    site.workers[KIND].step()
    query = parse_qs(urlsplit(place).query)
    assert query["plain"] == ["1"]
    assert "2 photos in this batch" in site.http.get(place).get_data(as_text=True)


def test_the_form_takes_a_zip(site: Site) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.jpg", WHITE)
    assert submit(site, archive=out.getvalue()).status_code == 303


def test_a_long_batch_has_pages(site: Site) -> None:
    # Refused files have rows, too, and cost less than photos.
    files = [("0.jpg", WHITE), *[(f"{n}.txt", b"words") for n in range(1, ROWS + 1)]]
    place = submit(site, *files).headers["Location"]
    first = site.http.get(place).get_data(as_text=True)
    assert f"{ROWS - 1}.txt" in first and f"{ROWS}.txt" not in first and f"from={ROWS}" in first
    second = site.http.get(f"{place}&from={ROWS}").get_data(as_text=True)
    assert f"{ROWS}.txt" in second and f"{ROWS - 1}.txt" not in second and "from=0" in second
    for strange in ("99", "x", "-1"):
        assert site.http.get(f"{place}&from={strange}").status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"csrf_token": "0" * 40}, 400, "too old or from elsewhere"),
        ({"kind": "none"}, 400, "kind"),
        ({"threshold": "9"}, 400, "threshold"),
    ],
)
def test_a_bad_form_is_answered_by_the_page_with_the_reason(
    site: Site, fields: dict[str, str], status: int, words: str
) -> None:
    answer = submit(site, ("a.jpg", WHITE), **fields)
    assert answer.status_code == status and answer.mimetype == "text/html"
    assert words in answer.get_data(as_text=True)
    assert list(site.settings.sessionpath.iterdir()) == []


def test_an_empty_form_and_one_without_a_picture_say_so(site: Site) -> None:
    assert "choose a ZIP" in submit(site).get_data(as_text=True)
    answer = submit(site, ("words.txt", b"words"))
    assert answer.status_code == 415 and "words.txt" in answer.get_data(as_text=True)
    assert submit(site, archive=b"no ZIP").status_code == 400


def test_an_unknown_batch_is_404_and_says_what_may_be_the_reason(site: Site) -> None:
    answer = site.http.get("/batch?id=b-1&key=x")
    assert answer.status_code == 404
    assert "This batch was not found" in answer.get_data(as_text=True)


def test_a_mistake_is_a_page_here_and_json_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistake(*_: object) -> None:
        raise RuntimeError("secret")

    place = submit(site, ("a.jpg", WHITE)).headers["Location"]
    monkeypatch.setattr("scai.jobs.batches.service.BatchService.document", mistake)
    page = site.http.get(place)
    assert (page.status_code, page.mimetype) == (500, "text/html")
    query = {name: value[0] for name, value in parse_qs(urlsplit(place).query).items()}
    answer = site.http.get(f"/batches/{query['id']}", query_string={"key": query["key"]})
    assert answer.status_code == 500 and answer.get_json()["code"] == "internal"
    for each in (page, answer):
        assert "secret" not in each.get_data(as_text=True)
