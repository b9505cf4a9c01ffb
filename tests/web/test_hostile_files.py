"""Files that a foreign program wrote: whatever they hold, pages and lists come to their end."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support import batch_client
from support.batch_client import IC, OD, WHITE, Client
from support.helpers import open_below, picture
from support.inprocess import Site
from support.kinds import KINDS

from scai.errors import BadSession
from scai.jobs.export import ExportItem, archive
from scai.jobs.retention import purge
from scai.models import notes
from scai.storage.json_files import read_object
from scai.storage.session import Session

client = batch_client.client

ROUTE = {routes.name: routes for routes in KINDS}
HUGE = 10**400  # JSON may hold it, and no float can
HALF = "\ud83d"  # half of a surrogate pair, which JSON may hold and UTF-8 may not
FORMULA = "=HYPERLINK(1)"
# Predictions of foreign workers.
STRANGE: list[Any] = [
    5,
    "text",
    {"label": "x"},
    [None, 3, ["x"]],
    [{"label": HALF, "score": 0.5}],
    [{"label": "a", "score": HUGE}],
    [{"label": "a", "score": "nan"}],
    [{"label": "a", "score": FORMULA, "box": {"x_min": FORMULA}}],
    [{"label": "a", "score": {"b": 1}}],
    [{"label": "a", "score": 0.5, "box": "no"}],
    [{"label": "a", "score": 0.5, "box": {"x_min": "inf", "y_min": HUGE, "x_max": 1, "y_max": 1}}],
]


def written(site: Site, task: str, **verdict: Any) -> None:
    """Let the session be complete with this verdict."""
    session = Session(site.settings.sessionpath, task)
    (session.path / "result.json").write_text(json.dumps({"state": "complete", **verdict}))
    record = session.record() | {"state": "complete"}
    (session.path / "process.json").write_text(json.dumps(record))


def constant(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("kind", [IC, OD])
def test_a_verdict_of_any_shape_breaks_no_page(site: Site, kind: str) -> None:
    answer = site.post(ROUTE[kind], picture())
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    for found in STRANGE:
        written(site, answer["sessname"], predictions=found, model=HALF)
        assert site.http.get("/photo", query_string=query).status_code == 200
        events = site.http.get("/events", query_string=query).text
        assert "event: result" in events and "event: end" in events


@pytest.mark.parametrize("kind", [IC, OD])
def test_a_verdict_of_any_shape_breaks_no_batch(client: Client, kind: str) -> None:
    names = [f"{number}.jpg" for number in range(len(STRANGE))]
    batch = client.create(*((name, WHITE) for name in [*names, "waits.jpg"]), kind=kind)
    timing = {"decode_ms": HUGE, "infer_ms": "nan"}
    for item, found in zip(batch["taken"], STRANGE, strict=False):
        written(client.site, item["task"], predictions=found, timing=timing)
    query = {"id": batch["id"], "key": batch["key"], "plain": "1"}
    assert client.http.get("/batch", query_string=query).status_code == 200
    body = client.http.get(f"/batches/{batch['id']}", query_string={"key": batch["key"]})
    document = json.loads(body.text, parse_constant=constant)
    assert document["counts"]["complete"] == len(STRANGE)
    labels = [label for item in document["items"] for label in item.get("labels", [])]
    assert labels and all(isinstance(label["score"], int | float) for label in labels)
    table = client.http.get(f"/batches/{batch['id']}.csv", query_string={"key": batch["key"]})
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
    assert {row["name"] for row in rows} == {*names, "waits.jpg"}
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


def test_a_verdict_of_any_shape_breaks_no_archive(site: Site) -> None:
    answer, waits = [site.post(ROUTE[OD], picture()) for _ in range(2)]
    items = [ExportItem(OD, each["sessname"], each["sesskey"]) for each in (answer, waits)]
    for found in STRANGE:
        written(site, answer["sessname"], predictions=found)
        data = b"".join(archive(items, site.service.session))
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            rows = zipped.read("scai-history/summary.csv").decode("utf-8-sig")
            results = [name for name in zipped.namelist() if "/results/" in name]
        assert len(results) == 2
        states = [row["state"] for row in csv.DictReader(io.StringIO(rows))]
        assert states == ["complete", "initialization"]


def test_an_unreadable_record_is_one_row_and_not_the_end(site: Site) -> None:
    answers = [site.post(ROUTE[IC], picture()) for _ in range(2)]
    record = site.settings.sessionpath / answers[0]["sessname"] / "process.json"
    record.unlink()
    record.mkdir()
    items = [ExportItem(IC, answer["sessname"], answer["sesskey"]) for answer in answers]
    data = b"".join(archive(items, site.service.session))
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        rows = zipped.read("scai-history/summary.csv").decode("utf-8-sig")
    states = [row["state"] for row in csv.DictReader(io.StringIO(rows))]
    assert states == ["gone", "initialization"]
    query = {name: [answer[key] for answer in answers] for name, key in NAMES}
    stream = site.http.get("/events", query_string=query, buffered=False)
    body = next(piece for piece in stream.response if b"event: gone" in piece)
    stream.close()
    assert answers[0]["sessname"].encode() in body


NAMES = (("task", "sessname"), ("key", "sesskey"))


def test_a_folder_in_the_place_of_a_file_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "card.json").mkdir()
    (tmp_path / "plot.png").mkdir()
    with pytest.raises(BadSession):
        read_object(str(tmp_path / "card.json"))
    assert notes.plot_bytes(tmp_path, "plot.png") is None
    assert open_below(tmp_path) == []


def replaced(client: Client, batch: dict[str, Any]) -> Path:
    """The list of a batch, which is no more there."""
    path = client.settings.sessionpath / batch["id"] / "items.jsonl"
    path.unlink()
    return path


@pytest.mark.parametrize("what", ["pipe", "link", "folder", "giant"])
def test_what_is_no_plain_list_of_a_batch_is_none(client: Client, what: str) -> None:
    batch = client.create(("a.jpg", WHITE))
    path = replaced(client, batch)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to("/etc/passwd")
    elif what == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(10**12)
    answers: list[int] = []

    def ask() -> None:
        query = {"key": batch["key"]}
        answers.append(client.http.get(f"/batches/{batch['id']}", query_string=query).status_code)
        purge(client.settings.sessionpath, [], 0.0, now=4e9)
        answers.append(0)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)
    assert answers == [404, 0]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000,
        b'{"name": "x", "error": "e", "message": "m", "self": 1}',
        b'{"name": "x", "error": "e", "code": NaN}',
        b'{"name": "\\ud83d", "error": "\\ud83d", "code": ["x"]}',
        b'{"name": "x", "task": 5, "key": "k"}',
        b"\xff\xfe",
    ],
)
def test_strange_lines_of_a_batch_are_borne(client: Client, line: bytes) -> None:
    batch = client.create(("a.jpg", WHITE), open="1", portion="p")
    with (client.settings.sessionpath / batch["id"] / "items.jsonl").open("ab") as file:
        file.write(line + b"\n")
    body = client.http.get(f"/batches/{batch['id']}", query_string={"key": batch["key"]})
    assert body.status_code == 200
    assert json.loads(body.text, parse_constant=constant)["counts"]["waiting"] == 1
    query = {"id": batch["id"], "key": batch["key"], "plain": "1"}
    assert client.http.get("/batch", query_string=query).status_code == 200
    assert client.add(batch, ("b.jpg", WHITE), last="1")["counts"]["waiting"] == 2
    purge(client.settings.sessionpath, [], 0.0, now=4e9)


@pytest.mark.parametrize("kind", ["nothing", ["x"], None, {"a": 1}])
def test_a_batch_of_a_kind_that_there_is_not_is_none(client: Client, kind: Any) -> None:
    batch = client.create(("a.jpg", WHITE))
    path = client.settings.sessionpath / batch["id"] / "batch.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": kind}))
    query = {"id": batch["id"], "key": batch["key"], "plain": "1"}
    assert client.http.get("/batch", query_string=query).status_code == 404
    assert client.http.get(f"/batches/{batch['id']}", query_string=query).status_code == 404


def test_a_cursor_of_any_length_is_borne(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE))
    epoch = client.document(batch)["cursor"].partition("-")[0]
    client.document(batch, after=f"{epoch}-{'9' * 5000}")
