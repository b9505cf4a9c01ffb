"""The line of the log for each request: with the client's address, and never with a key."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.helpers import picture
from support.inprocess import Site
from support.kinds import IC

from scai import logs
from scai.jobs.deferral import KEY, Deferral

FORMATS = (logs.Text("portal"), logs.JsonLines("portal"))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "scai.web.access_log" and record.levelno >= logging.INFO
    ]


def test_a_request_is_logged_with_its_client(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    far = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.7"}}
    site.http.post(IC.upload, data=picture(), **far)
    site.http.get("/nothing", headers={"X-Forwarded-For": "203.0.113.5"}, **far)
    site.http.get("/status.json", headers={"Host": "evil.example"}, **far)
    site.http.post(IC.upload, headers={"Origin": "https://evil.example"}, **far)
    said = [re.sub(r"in \d+ ms", "in N ms", line) for line in lines(caplog)]
    assert said == [
        f"POST {IC.upload} 200 in N ms from 10.0.0.7",
        "GET /nothing 404 in N ms from 10.0.0.7 for 203.0.113.5",
        "GET /status.json 421 in N ms from 10.0.0.7",
        f"POST {IC.upload} 403 in N ms from 10.0.0.7",
    ]


def test_what_monitors_and_browsers_ask_for_all_the_time_is_not_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for path in ("/healthz", "/readyz", "/static/scai.css"):
        site.http.get(path, buffered=True)
    assert lines(caplog) == []


def test_a_request_that_waits_is_logged_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The front asks the application anew when there is news; until then, nothing is answered."""
    caplog.set_level(logging.INFO)
    answer = site.post(IC, picture())
    caplog.clear()
    query = {"task": answer["sessname"], "key": answer["sesskey"], "wait": "20"}
    deferral = Deferral()

    def ask() -> None:
        deferral.pause = None
        site.http.get(IC.result, query_string=query, environ_overrides={KEY: deferral})

    try:
        ask()
        assert deferral.pause is not None and lines(caplog) == []
        site.workers[IC.name].step()
        ask()
        assert deferral.pause is None and len(lines(caplog)) == 1
    finally:
        deferral.close()


def test_a_client_cannot_forge_a_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    site.http.get("/x%0a12:00:00 portal forged" + "y" * 5000)
    site.http.get("/x", headers={"X-Forwarded-For": "1.2.3.4 \x1b[31m" + "9" * 5000})
    site.http.open("/x", method="X" * 5000)
    for record in caplog.records:
        for form in FORMATS:
            line = form.format(record)
            assert len(line.splitlines()) == 1 and "\x1b" not in line and len(line) < 1000


def secrets_of(site: Site) -> Iterable[str]:
    """Ask for everything there is about a photo and a batch; give the keys and the token."""
    answer = site.post(IC, picture())
    data = {"kind": IC.name, "photo": (io.BytesIO(picture()), "b.jpg")}
    batch = site.http.post("/batches", data=data).get_json()
    token = site.csrf_token("/history")
    yield from (answer["sesskey"], batch["key"], token, *(each["key"] for each in batch["taken"]))
    photo = {"task": answer["sessname"], "key": answer["sesskey"]}
    whole = {"id": batch["id"], "key": batch["key"]}
    for path in (IC.result, IC.input, "/photo", "/events"):
        with site.http.get(path, query_string=photo) as got:
            got.data  # noqa: B018 the stream is read to its end
    for path in ("/batch", f"/batches/{batch['id']}", f"/batches/{batch['id']}.csv"):
        site.http.get(path, query_string=whole, buffered=True)
    form = {"csrf_token": token, "photos": "[]", **photo}
    for path in ("/history/export", "/photo/remove", "/batch"):
        site.http.post(path, data=form, buffered=True)
    site.http.delete(IC.result, query_string={**photo, "key": answer["sesskey"]})
    site.http.delete(f"/batches/{batch['id']}", query_string=whole)


def test_no_key_and_no_token_gets_into_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    site = Site(tmp_path, max_wait=0.0)
    try:
        keys = list(secrets_of(site))
    finally:
        site.close()
    assert len(keys) == 4 and all(re.fullmatch("[0-9a-f]{40}", key) for key in keys)
    assert len(lines(caplog)) > 10
    told = "\n".join(form.format(record) for record in caplog.records for form in FORMATS)
    assert not [key for key in keys if key in told]
