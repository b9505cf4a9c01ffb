"""The history page and its ZIP, over a site in this process."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.helpers import open_below, picture
from support.inprocess import Site
from support.kinds import IC, OD

from scai.errors import NotFound
from scai.jobs import export as archives
from scai.jobs.export import ExportItem, archive, clean, summary
from scai.kinds import Kind
from scai.storage.session import Session, Upload


def one(routes: Kind, answer: dict, **more: str) -> dict[str, str]:
    return {
        "kind": routes.name,
        "task": answer["sessname"],
        "key": answer["sesskey"],
        **more,
    }


def export(site: Site, photos: Any, **form: str) -> Any:
    text = photos if isinstance(photos, str) else json.dumps(photos)
    form = {"csrf_token": site.csrf_token("/history"), "photos": text, **form}
    part = '--cut\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(*field) for field in form.items()) + "--cut--\r\n"
    kind = "multipart/form-data; boundary=cut"
    return site.http.post("/history/export", data=body.encode(), content_type=kind)


def unpacked(answer: Any) -> tuple[dict[str, bytes], list[dict[str, str]]]:
    """The files of the ZIP by their names below its folder, and the rows of its summary."""
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as zipped:
        assert zipped.testzip() is None
        files = {info.filename: zipped.read(info) for info in zipped.infolist()}
        assert len(files) == len(zipped.infolist())
    top = f"{archives.FOLDER}/"
    assert all(name.startswith(top) for name in files)
    files = {name.removeprefix(top): data for name, data in files.items()}
    text = files.pop("summary.csv").decode("utf-8-sig")
    return files, list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_page_says_where_the_list_lives_and_works_without_scripts(site: Site) -> None:
    answer = site.http.get("/history")
    assert answer.status_code == 200
    [without] = re.findall(r"<noscript>(.*?)</noscript>", answer.text, re.S)
    assert 'name="task"' in without and 'name="key"' in without
    assert "history.page" in site.http.application.view_functions


def test_the_archive_holds_photos_pictures_results_and_a_summary(site: Site) -> None:
    sent = picture(color=(250, 250, 250))
    first, second = site.post(IC, sent, "My cat.JPG"), site.post(OD, sent, "貓.jpg")
    for worker in site.workers.values():
        worker.step()
    answer = export(site, [one(IC, first), one(OD, second)])
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "no-store"
    files, rows = unpacked(answer)
    assert set(files) == {
        "photos/0001-My cat.JPG",
        "photos/0002-貓.jpg",
        "annotated/0002-貓.png",
        "results/0001-My cat.json",
        "results/0002-貓.json",
    }
    assert files["photos/0001-My cat.JPG"] == files["photos/0002-貓.jpg"] == sent
    folder = site.settings.sessionpath / second["sessname"]
    assert files["annotated/0002-貓.png"] == (folder / "output.png").read_bytes()
    result = json.loads(files["results/0001-My cat.json"])
    assert result == site.get(IC.result, first)
    assert first["sesskey"] not in str(files) + str(rows)
    assert [row["state"] for row in rows] == ["complete", "complete"]
    assert (rows[0]["label"], rows[0]["name"], rows[0]["model"]) == (
        "white",
        "My cat.JPG",
        "default",
    )
    assert float(rows[0]["score"]) == pytest.approx(0.9, abs=0.01)
    for row in rows:
        named = [row[column] for column in ("photo", "annotated", "result") if row[column]]
        assert named and set(named) <= set(files)


def test_a_photo_that_still_waits_comes_without_a_verdict(site: Site) -> None:
    files, [row] = unpacked(export(site, [one(IC, site.post(IC, picture()))]))
    assert sorted(files) == ["photos/0001-photo.jpg", "results/0001-photo.json"]
    assert (row["state"], row["label"], row["found"]) == ("initialization", "", "")


def test_what_is_gone_and_what_a_wrong_key_asks_for_are_the_same(site: Site) -> None:
    here = site.post(IC, picture(), "secret.jpg")
    items = [
        one(IC, here, key="0" * 40),
        {"kind": "image_classification", "task": "d-20180521-" + "0" * 40, "key": "0" * 40},
        {"kind": "image_classification", "task": "../../etc/passwd", "key": "x"},
        {"kind": "../x", "task": "d-20180521-" + "1" * 40, "key": "x", "name": "mine.jpg"},
    ]
    files, rows = unpacked(export(site, items))
    assert files == {}
    assert [row["state"] for row in rows] == ["gone"] * 4
    assert [row["name"] for row in rows] == ["", "", "", "mine.jpg"]
    assert "secret" not in str(rows)
    wrong_kind = unpacked(export(site, [one(OD, here)]))
    assert wrong_kind[0] == {} and wrong_kind[1][0]["state"] == "gone"


def test_each_photo_comes_once(site: Site) -> None:
    items = one(IC, site.post(IC, picture()))
    _, rows = unpacked(export(site, [items, items]))
    assert len(rows) == 1


@pytest.mark.parametrize(
    "photos",
    ["", "nonsense", "{}", "[1]", '[{"kind": "x"}]', "[" * 100_000]
    + [json.dumps([{"kind": "x", "task": {"a": 1}, "key": "y"}])]
    + [json.dumps([{"kind": "x", "task": "y" * 301, "key": "y"}])]
    + [json.dumps([{"kind": "x", "task": str(n), "key": "y"} for n in range(2001)])],
    ids=lambda text: text[:20],
)
def test_a_list_that_is_none_is_refused_on_a_page(site: Site, photos: str) -> None:
    answer = export(site, photos)
    assert (answer.status_code, answer.mimetype) == (400, "text/html")
    assert "expected" in answer.text


def test_the_most_photos_fit_into_one_form(site: Site) -> None:
    longest = {"kind": "image_classification", "key": "0" * 40, "name": "名" * 100}
    items = [{**longest, "task": f"d-20180521-{n:040x}"} for n in range(2000)]
    _, rows = unpacked(export(site, items))
    assert len(rows) == 2000


def test_only_our_own_page_may_ask_for_an_archive(site: Site) -> None:
    items = [one(IC, site.post(IC, picture()))]
    assert export(site, items, csrf_token="0" * 40).status_code == 400
    assert export(site, items, csrf_token="").status_code == 400


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("cat.jpg", "cat"),
        ("../../evil.py", "evil"),
        ("..\\..\\evil.jpg", "evil"),
        ("a:b*c?<d>|e\"f'.jpg", "a_b_c_d_e_f"),
        ("\u202egpj.exe", "gpj"),
        ("cafe\u0301.png", "café"),
        ("...", ""),
        ("", ""),
        ("line\nbreak.png", "line_break"),
        ("v1.2 final.tar", "v1.2 final"),
        ("貓咪 (2).webp", "貓咪 (2)"),
        ("x" * 500 + ".jpg", "x" * 60),
    ],
)
def test_names_in_the_archive_are_harmless(name: str, cleaned: str) -> None:
    assert clean(name) == cleaned


def test_the_summary_has_no_formula(site: Site) -> None:
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"]
    text = summary([{"name": name, "score": 0.5, "number": -1} for name in hostile])
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    assert [row["name"] for row in rows] == ["'" + name for name in hostile]
    assert {(row["score"], row["number"]) for row in rows} == {("0.5", "-1")}


def test_hostile_labels_and_names_of_a_session_are_cells(sessions: Path) -> None:
    upload = Upload(picture(), ".jpg", '=cmd|"/c calc"!A1.jpg')
    session = Session.create(sessions, IC.name, upload)
    predictions = [{"label": '=HYPERLINK("x")', "index": 0, "score": 0.5}]
    session.complete({"predictions": predictions})
    zipped = b"".join(archive([ExportItem(IC.name, session.name, "")], lambda *_: session))
    with zipfile.ZipFile(io.BytesIO(zipped)) as found:
        text = found.read("scai-history/summary.csv").decode("utf-8-sig")
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"].startswith("'=cmd") and row["label"].startswith("'=HYPERLINK")
    assert row["labels"].startswith("'=HYPERLINK")


def test_a_session_that_goes_while_it_is_packed_breaks_nothing(sessions: Path) -> None:
    made = [Session.create(sessions, IC.name, Upload(picture(), ".jpg", "a.jpg")) for _ in "ab"]
    by_name = {session.name: session for session in made}

    def find(kind: str, task: str, key: str) -> Session:
        if task == made[0].name:
            (by_name[task].path / "input.jpg").unlink()
        return by_name[task]

    zipped = b"".join(archive([ExportItem(IC.name, name, "") for name in by_name], find))
    with zipfile.ZipFile(io.BytesIO(zipped)) as found:
        assert found.testzip() is None
        assert "scai-history/photos/0002-a.jpg" in found.namelist()
        text = found.read("scai-history/summary.csv").decode("utf-8-sig")
    assert [row["state"] for row in csv.DictReader(io.StringIO(text))] == ["gone", "initialization"]


def test_memory_stays_flat_while_much_is_packed(sessions: Path) -> None:
    session = Session.create(sessions, IC.name, Upload(picture() + bytes(8_000_000), ".jpg", "a"))
    items = [ExportItem(IC.name, session.name, str(n)) for n in range(12)]
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in archive(items, lambda *_: session))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 90_000_000
    assert most < 6_000_000  # less than one photo


def test_a_reader_that_goes_away_leaves_no_file_open(sessions: Path) -> None:
    session = Session.create(sessions, IC.name, Upload(picture() + bytes(900_000), ".jpg", "a"))
    stream = archive([ExportItem(IC.name, session.name, "")], lambda *_: session)
    next(stream)
    assert len(open_below(sessions)) == 1
    stream.close()
    assert open_below(sessions) == []


def test_nothing_found_at_all_is_an_archive_with_a_summary() -> None:
    def find(kind: str, task: str, key: str) -> Session:
        raise NotFound("no such session")

    zipped = b"".join(archive([ExportItem("x", "y", "z")], find))
    with zipfile.ZipFile(io.BytesIO(zipped)) as found:
        assert found.namelist() == ["scai-history/summary.csv"]
