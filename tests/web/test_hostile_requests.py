"""Requests that mean harm: what they get, and what they leave in logs, caches and memory."""

from __future__ import annotations

import io
import logging
import struct
from typing import Any

import pytest
from support.batch_client import IC, WHITE, Client, zipped
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS

from scai import logs
from scai.jobs.batches import zip_list
from scai.jobs.batches.unzip import Unpacking
from scai.kinds import Kind
from scai.storage.session import Session

ROUTE = {routes.name: routes for routes in KINDS}
PICTURES = ("/favicon.ico", "/static/favicon.svg", "/static/samples/frog.webp")


def addressed(answer: dict[str, Any]) -> dict[str, str]:
    return {"task": answer["sessname"], "key": answer["sesskey"]}


def policies(site: Site, *paths: str) -> dict[str, str]:
    found = {}
    for path in paths:
        with site.http.get(path) as answer:
            assert answer.mimetype.startswith("image/"), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            found[path] = answer.headers["Content-Security-Policy"]
    return found


def test_every_picture_has_the_same_strict_policy(site: Site) -> None:
    """Chromium lays a picture that is opened alone out with styles, and says what it must not."""
    paths = list(PICTURES[2:])
    for routes in KINDS:
        answer = site.post(routes, picture())
        site.workers[routes.name].step()
        query = "&".join(f"{key}={value}" for key, value in addressed(answer).items())
        paths += [f"{path}?{query}" for path in (routes.input, routes.output) if path]
        paths.append(str(routes.input))  # of nobody: the picture that says so
    found = set(policies(site, *paths).values())
    assert len(found) == 1
    policy = found.pop()
    parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert parts["script-src"] == parts["object-src"] == parts["frame-ancestors"] == "'none'"
    assert parts["base-uri"] == parts["form-action"] == "'none'" and "sandbox" in parts
    assert "unsafe" not in policy
    # An SVG is a document, and it holds to the rules of pages.
    for policy in policies(site, *PICTURES[:2]).values():
        assert "default-src 'self'" in policy and "unsafe" not in policy


def test_a_request_is_one_line_of_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.http.get("/batches/x%0a12:00:00 portal forged%0d%1b[31m%c2%85%e2%80%a8")
    site.http.delete("/imageclassification/nothing%0aelse")
    formats = (logs.Text("portal"), logs.JsonLines("portal"))
    lines = [each.format(record) for record in caplog.records for each in formats]
    assert any("forged" in line for line in lines)
    for line in lines:
        assert len(line.splitlines()) == 1 and "\x1b" not in line
        line.encode()


def test_a_wrong_key_and_no_session_are_told_alike(site: Site) -> None:
    answer = site.post(ROUTE[IC], picture())
    nobody = {"task": "d-20260101-" + "0" * 40, "key": "0" * 40}
    wrong = addressed(answer) | {"key": "0" * 40}
    routes: Kind = ROUTE[IC]
    for path in ("/events", "/photo", routes.result, routes.input):
        texts = []
        for query in (nobody, wrong):
            with site.http.get(str(path), query_string=query) as told:
                texts.append((told.status_code, told.data.replace(query["task"].encode(), b"")))
        assert texts[0] == texts[1], path


def test_a_page_that_holds_keys_is_kept_by_nobody(site: Site) -> None:
    client = Client(site)
    batch = client.create(("a.jpg", WHITE))
    for more in ({}, {"plain": "1"}):
        query = {"id": batch["id"], "key": batch["key"], **more}
        page = client.http.get("/batch", query_string=query)
        assert (page.status_code, page.headers["Cache-Control"]) == (200, "no-store")


def test_a_picture_that_goes_while_it_is_asked_for_is_not_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = site.post(ROUTE[IC], picture())
    gone = site.settings.sessionpath / answer["sessname"] / "gone.jpg"
    monkeypatch.setattr(Session, "input_of", lambda *_: gone)
    with site.http.get(str(ROUTE[IC].input), query_string=addressed(answer)) as told:
        assert told.status_code == 404


def test_long_names_in_a_zip_are_cut(site: Site) -> None:
    name = "photos/" * 9000 + "cat.jpg"
    unpacking = Unpacking(io.BytesIO(zipped((name, WHITE))), 10, 10_000_000)
    (entry,) = unpacking.entries
    assert len(entry.name) <= 1000 and entry.name.endswith("photos/cat.jpg")
    assert b"".join(unpacking.read(entry)) == WHITE
    far = zipped(("../" + name, WHITE))
    assert Unpacking(io.BytesIO(far), 10, 10_000_000).entries[0].refusal


class Sliced(bytes):
    """Bytes that count how many of them were copied."""

    copied = 0

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        if isinstance(key, slice):
            Sliced.copied += len(found)
            return Sliced(found)
        return found


def test_a_long_extra_part_costs_no_time() -> None:
    """Sixteen thousand empty blocks, all of which must be passed by, in each of many entries."""
    extra = struct.pack("<2H", 0xCAFE, 0) * 16_000 + struct.pack("<2HQ", 1, 8, 7)
    assert zip_list.with_extra(Sliced(extra), 0xFFFFFFFF, 5, 6) == (7, 5, 6)
    assert Sliced.copied < len(extra)


class Endless(io.RawIOBase):
    """A body without a length and an end; it says how much of it was read."""

    read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        assert self.read_so_far < 50_000_000, "read on and on"
        self.read_so_far += len(room)
        room[:] = b"a" * len(room)
        return len(room)


@pytest.mark.parametrize("path", ["/batches", "/batch", "/photo/remove", "/history/export"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_an_endless_form_is_read_no_further_than_a_form_may_be(
    site: Site, path: str, kind: str
) -> None:
    client = Client(site, max_batch_mb=1000, max_request_mb=1000)
    body = Endless()
    environment = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
    answer = client.http.post(
        path, content_type=f"{kind}; boundary=a", environ_overrides=environment
    )
    assert answer.status_code in (400, 413)
    assert body.read_so_far < 3_000_000
