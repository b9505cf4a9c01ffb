"""Refusals for lack of room over HTTP: before the body is read, with the time to come back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.batch_client import Client
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS

IC, OD = KINDS
FORM = "multipart/form-data; boundary=x"


class Unread(io.RawIOBase):
    """A body that nobody must read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body was read")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, max_waiting=100, max_waiting_per_client=2)
    yield site
    site.close()


def send_unread(site: Site, path: str, length: int = 50_000, content_type: str = FORM) -> Any:
    return site.http.post(path, environ_overrides=unread(length, content_type))


def unread(length: int, content_type: str = FORM) -> dict[str, Any]:
    """A request whose body is so long and must not be read."""
    return {"wsgi.input": Unread(), "CONTENT_LENGTH": str(length), "CONTENT_TYPE": content_type}


def fill(site: Site, count: int) -> None:
    for _ in range(count):
        assert site.post(IC, picture())["status"] == "success"


@pytest.mark.parametrize("content_type", [FORM, "image/jpeg"])
def test_a_client_with_too_much_waiting_is_refused_before_its_body_is_read(
    small: Site, content_type: str
) -> None:
    fill(small, 2)
    answer = send_unread(small, IC.upload, content_type=content_type)
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "60"
    told = answer.get_json()
    assert told["code"] == "client_limit" and told["setting"] == "max_waiting_per_client"
    assert told["sessname"] == told["error"]
    # Another address, or the same one after its verdicts, may send.
    other = small.http.post(
        IC.upload, data=picture(), content_type="image/jpeg", environ_base={"REMOTE_ADDR": "::2"}
    )
    assert other.status_code == 200


def test_a_full_queue_is_told_before_the_body_is_read(site: Site) -> None:
    fill(site, site.settings.max_waiting)
    answer = send_unread(site, IC.upload)
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "60"
    assert answer.get_json()["setting"] == "max_waiting"
    assert site.post(OD, picture())["status"] == "success"


@pytest.mark.parametrize("path", [IC.upload, "/photo", "/batches?kind=image_classification"])
def test_a_full_disk_is_told_before_the_body_is_read(tmp_path: Path, path: str) -> None:
    site = Site(tmp_path, max_batch_mb=1e9, max_request_mb=1e9)
    # 100 TB: more than there is room for.
    answer = send_unread(site, path, 10**14)
    assert answer.status_code == 507 and answer.headers["Retry-After"] == "60"
    site.close()


def test_of_several_photos_the_header_tells_when_none_was_taken(tmp_path: Path) -> None:
    site = Site(tmp_path, max_waiting_per_client=1)
    photos = [(io.BytesIO(picture()), f"{n}.jpg") for n in range(3)]
    answer = site.http.post(IC.upload, data={"photo": photos}).get_json()
    assert [each["status"] for each in answer] == ["success", "error", "error"]
    assert answer[1]["code"] == "client_limit" and answer[1]["retry_after"] == 60
    site.close()


def test_a_page_without_scripts_says_it_with_its_header(small: Site) -> None:
    fill(small, 2)
    answer = send_unread(small, "/photo")
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "60"
    assert "waiting already" in answer.text


def test_a_portion_stops_at_the_clients_bound_and_may_be_sent_again(site: Site) -> None:
    client = Client(site, max_waiting_per_client=2)
    batch = client.create()
    photos = [(f"{n}.jpg", picture()) for n in range(3)]
    answer = client.add(batch, *photos, portion="p", last="1")
    assert len(answer["taken"]) == 2 and answer["state"] != "closed"
    [refusal] = answer["refused"]
    assert refusal["code"] == "client_limit" and answer["retry_after"] == 60
    path = f"/batches/{batch['id']}/photos?key={batch['key']}"
    refused = client.http.post(path, environ_overrides=unread(50_000))
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "60"
    client.service.remove(IC.name, answer["taken"][0]["task"], answer["taken"][0]["key"])
    again = client.add(batch, *photos, portion="p", last="1")
    assert [item["n"] for item in again["taken"]] == [1, 2, 3] and not again["refused"]


def test_a_batch_is_made_and_ended_while_the_queue_is_full(site: Site) -> None:
    fill(site, site.settings.max_waiting)
    client = Client(site, max_waiting=site.settings.max_waiting)
    batch = client.create()
    assert client.add(batch, last="1")["status"] == "success"


def test_the_status_shows_the_bounds_and_what_was_refused(small: Site) -> None:
    fill(small, 2)
    for _ in range(3):
        assert send_unread(small, IC.upload).status_code == 429
    amounts = small.http.get("/status.json").get_json()["amounts"]
    assert amounts["waiting_bytes"] == 2 * len(picture()) and amounts["clients"] == 1
    assert amounts["max_waiting_bytes"] == 20_000_000_000 and amounts["disk_errors"] == 0
    assert amounts["refused"] == {"busy": 0, "client_limit": 3, "storage_full": 0}
    page = small.http.get("/status").text
    assert "3 uploads were refused for lack of room" in page and "Uploads stop when" in page
