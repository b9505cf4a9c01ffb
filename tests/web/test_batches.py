"""Batches over HTTP: many photos, taken and refused; with workers that are stepped by hand."""

from __future__ import annotations

import io
import os
import re

import pytest
from support import batch_client
from support.batch_client import BLACK, IC, WHITE, Client, zipped
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS

client = batch_client.client


def test_photos_become_one_batch_and_get_their_verdicts(client: Client) -> None:
    batch = client.create(("a/white.jpg", WHITE), ("black.jpg", BLACK), model="default", top_k="2")
    assert re.fullmatch(r"b-\d{8}-[0-9a-f]{40}", batch["id"])
    assert re.fullmatch(r"[0-9a-f]{40}", batch["key"])
    assert [photo["name"] for photo in batch["taken"]] == ["a/white.jpg", "black.jpg"]
    assert batch["refused"] == [] and batch["state"] == "running"
    before = client.document(batch)
    assert before["counts"]["waiting"] == before["counts"]["all"] == 2
    assert (before["kind"], before["model"], before["top_k"]) == (IC, "default", 2)
    assert "key" not in before
    client.work()
    after = client.document(batch)
    assert after["state"] == "complete" and after["counts"]["complete"] == 2
    white, black = after["items"]
    assert white["labels"][0] == {"label": "white", "score": 0.9, "count": 1}
    assert (black["labels"][0]["label"], black["model"], len(black["labels"])) == (
        "black",
        "default",
        2,
    )
    assert white["ms"] >= 0
    result = client.http.get(
        KINDS[0].result, query_string={"task": white["task"], "key": white["key"]}
    ).get_json()
    assert result["filename"] == "white.jpg" and result["state"] == "complete"


def test_one_bad_file_never_fails_the_others(client: Client) -> None:
    batch = client.create(
        ("good.jpg", WHITE), ("words.txt", b"words"), ("large.jpg", WHITE + bytes(300_000)),
        ("good.jpg", BLACK),
    )  # fmt: skip
    assert [photo["name"] for photo in batch["taken"]] == ["good.jpg", "good.jpg"]
    words, large = batch["refused"]
    assert (words["name"], words["code"]) == ("words.txt", "unsupported_format")
    assert (large["name"], large["code"]) == ("large.jpg", "image_too_large")
    client.work()
    document = client.document(batch)
    assert [item["state"] for item in document["items"]] == [
        "refused", "refused", "complete", "complete",
    ]  # fmt: skip
    assert document["counts"]["refused"] == 2 and document["state"] == "complete"
    assert document["items"][0]["error"]


def test_nothing_good_is_the_status_of_the_first(client: Client) -> None:
    answer = client.create(("words.txt", b"words"), status=415)
    assert answer["status"] == "error" and answer["code"] == "unsupported_format"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"kind": "telepathy"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"model": "none"}, "model"),
        ({"threshold": "2"}, "threshold"),
        ({"top_k": "many"}, "top_k"),
        ({"expected": "-1"}, "expected"),
        ({"expected": "1001"}, "expected"),
    ],
)
def test_bad_parameters_are_refused_and_leave_nothing(
    client: Client, fields: dict[str, str], word: str
) -> None:
    answer = client.create(("a.jpg", WHITE), status=400, **fields)
    assert answer["code"] == "bad_request" and word in answer["error"]
    assert os.listdir(client.settings.sessionpath) == []


def test_a_zip_is_a_batch(client: Client) -> None:
    data = zipped(
        ("cats/white.jpg", WHITE),
        ("cats/notes.txt", b"words"),
        ("../up.jpg", WHITE),
        ("inner.zip", b"PK"),
        ("__MACOSX/._white.jpg", b"x"),
        ("dogs/", b""),
        ("black.jpg", BLACK),
    )
    batch = client.send_zip(data)
    assert [photo["name"] for photo in batch["taken"]] == ["cats/white.jpg", "black.jpg"]
    reply = {each["name"]: each["code"] for each in batch["refused"]}
    assert reply == {
        "cats/notes.txt": "unsupported_format",
        "../up.jpg": "bad_archive",
        "inner.zip": "bad_archive",
    }
    client.work()
    assert client.document(batch)["counts"]["complete"] == 2
    names = {name[0] for name in os.listdir(client.settings.sessionpath)}
    assert names == {"b", "d"}  # nothing of the upload is left


def test_a_zip_may_be_the_body(client: Client) -> None:
    answer = client.http.post(
        f"/batches?kind={IC}", data=zipped(("a.jpg", WHITE)), content_type="application/zip"
    )
    assert answer.status_code == 201 and len(answer.get_json()["taken"]) == 1


def test_a_large_zip_lies_on_the_disk_and_goes(site: Site) -> None:
    client = Client(site)
    big = picture((400, 400), format="BMP")[:150_000]
    data = zipped(*[(f"{n}.bmp", big) for n in range(10)], ("a.jpg", WHITE))
    assert len(data) > 1_400_000
    answer = client.http.post(f"/batches?kind={IC}", data=data, content_type="application/zip")
    reply = answer.get_json()
    # A cut BMP is found out by the worker: its header is right.
    assert len(reply["taken"]) + len(reply["refused"]) == 11 and reply["taken"]
    assert not [n for n in os.listdir(client.settings.sessionpath) if n.startswith(".")]


def test_photos_and_a_large_zip_come_in_one_form(client: Client) -> None:
    """Such a form goes the long way; the ZIP has a limit of its own, above that of a photo."""
    data = zipped(("in.jpg", WHITE), ("noise.bin", os.urandom(1_200_000)))
    head = b'--b\r\nContent-Disposition: form-data; name="'
    body = (
        head + b'kind"\r\n\r\n' + IC.encode() + b"\r\n"
        + head + b'photo"; filename="out.jpg"\r\n\r\n' + WHITE + b"\r\n"
        + head + b'archive"; filename="a.zip"\r\n\r\n' + data + b"\r\n--b--\r\n"
    )  # fmt: skip
    answer = client.http.post(
        "/batches", data=body, content_type="multipart/form-data; boundary=b"
    ).get_json()
    assert [photo["name"] for photo in answer["taken"]] == ["out.jpg", "in.jpg"]
    assert [(each["name"], each["code"]) for each in answer["refused"]] == [
        ("noise.bin", "image_too_large")
    ]


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (b"no ZIP at all", "bad_archive", 400),
        (zipped(), "bad_archive", 400),
        (zipped(*[(f"{n}.jpg", WHITE) for n in range(6)]), "archive_too_large", 413),
        (
            zipped(("a.jpg", os.urandom(9000)), ("b.jpg", os.urandom(9000))),
            "archive_too_large",
            413,
        ),
    ],
    ids=["words", "empty", "many", "large"],
)
def test_a_bad_zip_is_refused_whole(site: Site, data: bytes, code: str, status: int) -> None:
    client = Client(site, max_batch_photos=5, max_batch_mb=0.01)
    answer = client.send_zip(data, status=status)
    assert answer["code"] == code and answer["error"]
    assert os.listdir(client.settings.sessionpath) == []


def test_a_request_beyond_the_limit_is_refused(site: Site) -> None:
    client = Client(site, max_batch_mb=0.01)
    answer = client.send_zip(bytes(200_000), status=413)
    assert answer["code"] == "archive_too_large" and "0.01 MB" in answer["error"]
    answer = client.http.post(
        f"/batches?kind={IC}", data=bytes(20_000), content_type="application/zip"
    )
    assert answer.status_code == 413


def test_an_open_batch_is_filled_in_portions(client: Client) -> None:
    batch = client.create(expected=3)
    assert batch["state"] == "open" and batch["counts"]["all"] == 0
    client.add(batch, ("a.jpg", WHITE), ("b.jpg", WHITE))
    client.work()
    document = client.document(batch)
    assert (document["state"], document["expected"]) == ("open", 3)
    assert client.add(batch, ("c.jpg", BLACK), last=1)["state"] == "running"
    refused = client.add(batch, ("d.jpg", BLACK), status=400)
    assert "closed" in refused["error"]
    client.work()
    assert client.document(batch)["state"] == "complete"
    assert [item["n"] for item in client.document(batch)["items"]] != []


def test_a_batch_is_closed_without_another_photo(client: Client) -> None:
    batch = client.create(("a.jpg", WHITE), open=1)
    assert batch["state"] == "open"
    assert client.add(batch, last=1)["state"] == "running"


def test_a_portion_sent_again_is_answered_as_before(client: Client) -> None:
    batch = client.create()
    photos = (("a.jpg", WHITE), ("words.txt", b"words"), ("b.jpg", BLACK))
    first = client.add(batch, *photos, portion="p1", last=1)
    again = client.add(batch, *photos, portion="p1", last=1)
    assert again["taken"] == first["taken"] and again["refused"] == first["refused"]
    assert again["counts"]["all"] == 3
    assert len(client.site.queues[IC]) == 2


def test_more_photos_than_a_batch_may_have_are_told(site: Site) -> None:
    client = Client(site, max_batch_photos=2)
    batch = client.create(*[(f"{n}.jpg", WHITE) for n in range(3)])
    assert len(batch["taken"]) == 2
    [refused] = batch["refused"]
    assert (refused["name"], refused["setting"]) == ("2.jpg", "max_batch_photos")
    assert client.document(batch)["counts"]["all"] == 2


def test_a_full_queue_is_told_and_the_rest_goes_in_later(site: Site) -> None:
    client = Client(site, max_waiting=2)
    data = zipped(*[(f"{n}.jpg", WHITE) for n in range(4)])
    batch = client.send_zip(data, portion="p")
    assert len(batch["taken"]) == 2 and batch["retry_after"] == 60
    assert [each["code"] for each in batch["refused"]] == ["busy", "busy"]
    assert batch["state"] == "open"  # although it was the only portion: the rest may still come
    client.work()
    # Another portal: this one counts a full queue once a second only.
    again = (
        Client(site)
        .http.post(
            f"/batches/{batch['id']}/photos?key={batch['key']}",
            data={"archive": (io.BytesIO(data), "x.zip"), "portion": "p", "last": "1"},
        )
        .get_json()
    )
    assert len(again["taken"]) == 4 and again["refused"] == []
    assert again["counts"]["all"] == 4
    client.work()
    assert client.document(batch)["state"] == "complete"


@pytest.mark.parametrize("method", ["get", "delete", "post", "csv"])
def test_a_wrong_key_and_an_unknown_batch_are_404(client: Client, method: str) -> None:
    batch = client.create(("a.jpg", WHITE))
    wrong = [
        (batch["id"], "0" * 40), (batch["id"], ""), (batch["id"], "é"),
        ("b-20180521-" + "a" * 40, batch["key"]), ("..", batch["key"]), ("b-1", ""),
        (batch["taken"][0]["task"], batch["taken"][0]["key"]),
    ]  # fmt: skip
    suffix = {"post": "/photos", "csv": ".csv"}.get(method, "")
    call = getattr(client.http, "get" if method == "csv" else method)
    for name, key in wrong:
        answer = call(f"/batches/{name}{suffix}", query_string={"key": key})
        assert answer.status_code == 404, name
    assert client.http.get(f"/batches/{batch['id']}?key={batch['key']}").status_code == 200
