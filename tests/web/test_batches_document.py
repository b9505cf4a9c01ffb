"""What is told of a batch, its table, and its end; with workers that are stepped by hand."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support import batch_client
from support.batch_client import BLACK, IC, OD, WHITE, Answer, Client

from scai.errors import WorkerDied
from scai.jobs.holds import Holds
from scai.storage.session import Session

client = batch_client.client


def test_the_document_tells_only_what_changed(client: Client) -> None:
    batch = client.create(*[(f"{n}.jpg", WHITE) for n in range(7)], open=1)
    pages, cursor = [], ""
    while True:
        page = client.document(batch, after=cursor, limit=3)
        pages.append([item["n"] for item in page["items"]])
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]
    assert client.document(batch, after=cursor)["items"] == []
    client.add(batch, ("new.jpg", BLACK))
    assert [item["n"] for item in client.document(batch, after=cursor)["items"]] == [8]
    client.work()
    assert len(client.document(batch, after=cursor)["items"]) == 8
    for foreign in ("x", "12345678-3", "-", "é", f"{cursor}0000"):
        assert client.document(batch, after=foreign)["counts"]["all"] == 8


def test_another_process_that_knows_nothing_yet_tells_everything(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE))
    cursor = client.document(batch)["cursor"]
    other = Client(client.site)
    changes = other.document(batch, after=cursor)
    assert [item["n"] for item in changes["items"]] == [1]


def test_a_wait_is_answered_by_a_verdict(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE))
    cursor = client.document(batch)["cursor"]
    client.work()
    changes = client.document(batch, after=cursor, wait=30)
    assert changes["state"] == "complete" and len(changes["items"]) == 1
    assert client.document(batch, after=changes["cursor"], wait=30)["items"] == []  # it is over


def test_final_verdicts_are_read_once(client: Client) -> None:
    batch = client.create(*[(f"{n}.jpg", WHITE) for n in range(5)])
    client.work()
    before = client.document(batch)
    for photo in batch["taken"]:
        for file in ("process.json", "result.json"):
            (client.settings.sessionpath / photo["task"] / file).write_text("{}")
    assert client.document(batch) == before
    assert before["counts"]["complete"] == 5


def test_a_session_that_is_gone_is_told(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE), ("b.jpg", WHITE))
    first, second = batch["taken"]
    client.service.remove(IC, first["task"], first["key"])
    assert client.document(batch)["counts"]["removed"] == 1
    client.work()
    assert client.document(batch)["counts"]["complete"] == 1
    client.service.remove(IC, second["task"], second["key"])  # after its verdict was told
    document = client.document(batch)
    assert [item["state"] for item in document["items"]] == ["removed", "removed"]
    assert "labels" not in document["items"][1]


def test_a_session_that_is_released_waits_again_and_gets_its_new_verdict(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE), ("b.jpg", WHITE))
    queue, root = client.site.queues[IC], client.settings.sessionpath
    for claim in queue.claim(2, 0):
        Session(root, claim.job.session).fail(WorkerDied("it died thrice"))
        claim.hold("it died thrice")
    before = client.document(batch)
    assert (before["state"], before["counts"]["failure"]) == ("complete", 2)
    holds = Holds(root, {IC: queue})
    for photo in batch["taken"]:
        holds.release(photo["task"])
    waiting = client.document(batch, after=before["cursor"])
    assert (waiting["state"], waiting["counts"]["waiting"]) == ("running", 2)
    assert all("error" not in item for item in waiting["items"])
    client.work()
    after = client.document(batch, after=waiting["cursor"])
    assert (after["state"], after["counts"]["complete"], len(after["items"])) == ("complete", 2, 2)


def rows(client: Client, batch: Answer) -> list[dict[str, str]]:
    answer = client.http.get(f"/batches/{batch['id']}.csv?key={batch['key']}")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    return list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


def test_the_table_has_a_row_for_each_prediction(client: Client) -> None:
    batch = client.create(("w.jpg", WHITE), ("words.txt", b"words"), top_k="3")
    client.work()
    *found, refused = rows(client, batch)
    assert (refused["name"], refused["state"], refused["label"]) == ("words.txt", "refused", "")
    assert refused["error"]
    assert [row["rank"] for row in found] == ["1", "2", "3"]
    assert found[0]["label"] == "white" and float(found[0]["score"]) == pytest.approx(0.9)


def test_the_table_has_boxes(client: Client) -> None:
    image = Image.new("RGB", (100, 60))
    image.paste((255, 255, 255), (10, 20, 40, 30))
    out = io.BytesIO()
    image.save(out, "PNG")
    batch = client.create(("bar.png", out.getvalue()), kind=OD)
    client.work(OD)
    [item] = client.document(batch)["items"]
    assert item["objects"] == sum(label["count"] for label in item["labels"]) == 1
    found = rows(client, batch)
    assert found and all(float(row["x_max"]) > float(row["x_min"]) for row in found)


@pytest.mark.parametrize("name", ["=1+1.jpg", "+x.jpg", "-x.jpg", "@x.jpg", "＝x.jpg"])
def test_the_table_has_no_formula(client: Client, name: str) -> None:
    batch = client.create((name, WHITE))
    assert rows(client, batch)[0]["name"] == f"'{name}"


def test_a_batch_is_removed_with_its_sessions(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE), ("b.jpg", BLACK), ("words.txt", b"words"))
    query = {"key": batch["key"]}
    answer = client.http.delete(f"/batches/{batch['id']}", query_string=query)
    assert answer.get_json() == {"status": "success", "removed": 2, "in_work": []}
    assert os.listdir(client.settings.sessionpath) == []
    assert len(client.site.queues[IC]) == 0
    assert client.http.get(f"/batches/{batch['id']}", query_string=query).status_code == 404


def test_what_is_in_work_stays_and_is_told(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE), ("b.jpg", BLACK), open=1)
    [claim] = client.site.queues[IC].claim(1, 0)
    query = {"key": batch["key"]}
    answer = client.http.delete(f"/batches/{batch['id']}", query_string=query)
    assert answer.status_code == 409
    assert answer.get_json()["in_work"] == [claim.job.session]
    assert client.document(batch)["state"] == "running"  # it is closed
    claim.give_back()
    answer = client.http.delete(f"/batches/{batch['id']}", query_string=query)
    assert answer.status_code == 200
    assert os.listdir(client.settings.sessionpath) == []


def test_the_key_of_a_batch_is_in_its_file_and_nowhere_else(client: Client, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    batch = client.create(("a.jpg", WHITE))
    client.document(batch)
    assert batch["key"] not in caplog.text
    folder: Path = client.settings.sessionpath / batch["id"]
    assert json.loads((folder / "batch.json").read_text())["key"] == batch["key"]
    assert batch["key"] not in (folder / "items.jsonl").read_text()
