"""What every route answers with: a fixed type, and headers that keep a browser from running it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.helpers import picture
from support.inprocess import Site
from support.kinds import IC, KINDS, OD
from werkzeug.test import TestResponse

from scai.web import csrf

JSON, PAGE = "application/json", "text/html"
SANDBOX = "sandbox"
PAGE_POLICY = "default-src 'self'"


@dataclass(frozen=True)
class Route:
    """One route, as it answers to somebody with the right keys.

    query: "photo", "batch" or "" for the keys that it wants.
    form: the fields of a form that is sent to it, besides its token.
    """

    method: str
    rule: str
    type: str
    status: int = 200
    query: str = ""
    form: dict[str, str] | None = None
    disposition: str = ""
    policy: str = PAGE_POLICY


def _of_kind(kind: Any) -> list[Route]:
    """The routes of one kind of recognition; the pictures that it stores have names of ours."""
    sent = {"disposition": "inline; filename=input.jpg", "policy": SANDBOX}
    drawn = {"disposition": "inline; filename=output.png", "policy": SANDBOX}
    routes = [
        Route("GET", kind.upload, JSON),
        Route("POST", kind.upload, JSON),
        Route("PUT", kind.upload, JSON),
        Route("GET", kind.result, JSON, query=kind.name),
        Route("GET", kind.input, "image/jpeg", query=kind.name, **sent),
        Route("DELETE", kind.result, JSON, query=kind.name),
    ]
    if kind.output:
        routes.append(Route("GET", kind.output, "image/png", query=kind.name, **drawn))
    return routes


ROUTES = [
    Route("GET", "/", PAGE),
    Route("GET", "/docs", PAGE),
    Route("GET", "/history", PAGE),
    Route("GET", "/models", PAGE),
    Route("GET", "/status", PAGE),
    Route("GET", "/batch", PAGE, query="batch"),
    Route("GET", "/photo", PAGE, query=IC.name),
    Route("GET", "/openapi.json", JSON),
    Route("GET", "/healthz", JSON),
    Route("GET", "/readyz", JSON, status=503),
    Route("GET", "/version", JSON),
    Route("GET", "/models.json", JSON),
    Route("GET", "/status.json", JSON),
    Route("GET", "/events", "text/event-stream", query=IC.name),
    Route("GET", "/favicon.ico", "image/svg+xml", disposition="inline; filename=favicon.svg"),
    Route(
        "GET",
        "/static/<path:filename>",
        "text/javascript",
        disposition="inline; filename=home.js",
    ),
    Route(
        "GET",
        "/models/<kind>/<path:name>/<file>",
        "image/png",
        policy=SANDBOX,
    ),
    # Of a photo that is not on hold.
    Route("GET", "/status/hold", JSON, status=404),
    Route("POST", "/status/release", JSON, status=404, form={"photo": IC.name}),
    Route("POST", "/status/drop", JSON, status=404, form={"photo": IC.name}),
    Route("POST", "/batches", JSON, status=201, form={"kind": IC.name}),
    Route("POST", "/batches/<id>/photos", JSON, query="batch", form={}),
    Route("GET", "/batches/<id>", JSON, query="batch"),
    Route("DELETE", "/batches/<id>", JSON, query="batch"),
    Route("GET", "/batches/<id>.csv", "text/csv", query="batch", disposition="attachment"),
    Route("POST", "/batch", PAGE, status=400, form={"kind": IC.name}),
    Route("POST", "/photo", PAGE, status=400, form={"kind": IC.name}),
    Route("POST", "/photo/remove", PAGE, form={"photo": IC.name}),
    Route(
        "POST",
        "/history/export",
        "application/zip",
        form={"photos": "[]"},
        disposition="attachment",
    ),
    *(route for kind in KINDS for route in _of_kind(kind)),
]


@dataclass
class Stocked:
    """A site with a photo of each kind, a batch and a plot of a model."""

    site: Site
    keys: dict[str, dict[str, str]]

    def ask(self, route: Route) -> TestResponse:
        query = self.keys.get(route.query, {})
        path = route.rule.replace("<id>", query.get("id", ""))
        path = path.replace("<path:filename>", "js/pages/home.js")
        path = path.replace("<kind>/<path:name>/<file>", f"{IC.name}/pets/curves.png")
        body: Any = picture() if route.method in ("POST", "PUT") else None
        if route.form is not None:
            token = self.site.csrf_token("/history")
            photo = self.keys.get(route.form.get("photo", ""), {})
            body = {csrf.FIELD: token, **route.form, **photo}
        return self.site.http.open(
            path, method=route.method, query_string=query, data=body, buffered=False
        )


@pytest.fixture
def stocked(tmp_path: Path) -> Iterator[Stocked]:
    site = Site(tmp_path, max_wait=0.0, max_waiting=100)
    folder = tmp_path / "usr" / "pets"
    folder.mkdir()
    Image.new("RGB", (4, 4)).save(folder / "curves.png")
    (folder / "net.tflite").write_bytes(b"x")
    (folder / "card.json").write_text(json.dumps({"plots": ["curves.png"]}))
    section = "[pets]\nENGINE = fake\nGRAPH = pets/net.tflite\nLABELS = labels.txt\n"
    with site.settings.icconfig.open("a") as file:
        file.write(section)
    keys = {}
    for kind in KINDS:
        answer = site.post(kind, picture())
        site.workers[kind.name].step()
        keys[kind.name] = {"task": answer["sessname"], "key": answer["sesskey"]}
    batch = site.http.post(
        "/batches", data={"kind": IC.name, "photo": (io.BytesIO(picture()), "a.jpg"), "open": "1"}
    ).get_json()
    keys["batch"] = {"id": batch["id"], "key": batch["key"]}
    yield Stocked(site, keys)
    site.close()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.rule}")
def test_a_route_answers_with_its_type_and_with_headers_that_bind_a_browser(
    stocked: Stocked, route: Route
) -> None:
    with stocked.ask(route) as answer:
        headers = answer.headers
        assert (answer.status_code, answer.mimetype) == (route.status, route.type)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    policy = headers["Content-Security-Policy"]
    assert policy.endswith(SANDBOX) if route.policy == SANDBOX else policy.startswith(PAGE_POLICY)
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers.get("Content-Disposition", "").startswith(route.disposition)
    assert bool(route.disposition) == ("Content-Disposition" in headers)
    if route.query:
        assert headers["Cache-Control"].startswith(("no-store", "private"))


def test_no_route_is_missing_above(site: Site) -> None:
    known = {(route.method, route.rule) for route in ROUTES}
    for rule in site.http.application.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert (method, rule.rule) in known, f"{method} {rule.rule}: add it to ROUTES"


@pytest.mark.parametrize(
    "path",
    [
        "/static/",
        "/static/js",
        "/static/js/",
        "/session/",
        "/pooling/",
        "/batches",
        "/batches/",
        "/models/",
        "/models/image_classification/",
        "/models/image_classification/pets/",
        "/models/image_classification/pets/net.tflite",
        "/models/image_classification/pets/../curves.png",
        "/static/../scai/errors.py",
        "/static/..%2f..%2fREADME.md",
    ],
)
def test_no_folder_is_listed_and_nothing_else_is_served(stocked: Stocked, path: str) -> None:
    with stocked.site.http.get(path) as answer:
        assert answer.status_code in (404, 405)
        assert answer.mimetype == JSON


def test_a_stored_file_that_is_no_picture_is_no_page(stocked: Stocked) -> None:
    """A shell client may name a page as its picture."""
    query = stocked.keys[OD.name]
    folder = stocked.site.settings.sessionpath / query["task"]
    record = json.loads((folder / "process.json").read_text())
    (folder / "process.json").write_text(json.dumps({**record, "input_image": "input.html"}))
    (folder / "input.html").write_text("<script>alert(1)</script>")
    with stocked.site.http.get(OD.input, query_string=query) as answer:
        assert answer.mimetype == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/batch", "/photo", "/photo/remove", "/history/export", "/status/release", "/status/drop"],
)
@pytest.mark.parametrize("token", ["", "0" * 40, None])
def test_every_form_of_a_page_wants_the_token_of_its_browser(
    stocked: Stocked, path: str, token: str | None
) -> None:
    stocked.site.csrf_token("/history")  # the cookie
    form = {"kind": IC.name, "photos": "[]", **stocked.keys[IC.name]}
    if token is not None:
        form[csrf.FIELD] = token
    answer = stocked.site.http.post(path, data=form)
    assert answer.status_code == 400
    assert (stocked.site.settings.sessionpath / form["task"]).is_dir()


NAMES = {
    "..": "..",
    "../../etc/passwd.jpg": "passwd.jpg",
    "..\\..\\boot.jpg": "boot.jpg",
    "/etc/passwd": "passwd",
    "C:\\Windows\\CON.jpg": "CON.jpg",
    "CON": "CON",
    "nul\0.jpg": "nul.jpg",
    "a" * 4096 + ".jpg": "a" * 255,
    "\u202egpj.exe": "gpj.exe",
    "-rf.jpg": "-rf.jpg",
    "--help": "--help",
    "process.json": "process.json",
    "a\r\nSet-Cookie: x.jpg": "aSet-Cookie: x.jpg",
    "\x1b[31m.jpg": "[31m.jpg",
    "<script>.jpg": "<script>.jpg",
    "": "",
    "密\u0000\u2028.jpg": "密.jpg",
    ".": "",
    "~/.ssh/id": "id",
    "%2e%2e%2fx.jpg": "%2e%2e%2fx.jpg",
}


@pytest.mark.parametrize(("name", "shown"), NAMES.items(), ids=map(ascii, map(len, NAMES)))
def test_a_clients_name_is_a_label_and_never_a_path(
    stocked: Stocked, name: str, shown: str
) -> None:
    answer = stocked.site.http.put(
        IC.upload, data=picture(), query_string={"filename": name}
    ).get_json()
    assert answer["status"] == "success" and answer["filename"] == shown
    folder = stocked.site.settings.sessionpath / answer["sessname"]
    files = {path.name for path in folder.iterdir()}
    assert files == {"process.json", "input.jpg"}
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    with stocked.site.http.get(IC.input, query_string=query) as sent:
        assert sent.headers["Content-Disposition"] == "inline; filename=input.jpg"
    page = stocked.site.http.get("/photo", query_string=query)
    assert page.status_code == 200 and "<script>." not in page.text
