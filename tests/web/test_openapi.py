"""The description of the API: complete, valid, true of this server, and readable as a page."""

from __future__ import annotations

import ast
import gzip
import json
import re
import shlex
from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS
from werkzeug.routing import Rule

from scai.web.app import create_app
from scai.web.openapi import document as openapi
from scai.web.openapi import snippets
from scai.web.openapi.operations import Operation
from scai.web.routes.events import MAX_TASKS

# Pages, and what they are made of.
NO_API = {
    "/",
    "/batch",
    "/docs",
    "/favicon.ico",
    "/history",
    "/models",
    "/photo",
    "/photo/remove",
    "/static/<path:filename>",
    "/status",
    "/status/hold",
}
# Take a form of a page with its token, which no program has.
NO_API |= {"/history/export", "/photo/remove", "/status/release", "/status/drop"}
LISTED = [each for each in openapi.operations(KINDS) if each.listed]


def name_of(operation: Operation) -> str:
    return operation.name


@pytest.fixture
def document(site: Site) -> dict[str, Any]:
    return dict(site.http.get("/openapi.json").get_json())


def described(rule: Rule) -> set[tuple[str, str]]:
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
    automatic = {"HEAD"} | ({"OPTIONS"} if rule.provide_automatic_options else set())
    return {(method, path) for method in (rule.methods or set()) - automatic}


def test_every_route_is_described_and_no_other(site: Site, document: dict[str, Any]) -> None:
    rules = [each for each in site.http.application.url_map.iter_rules() if each.rule not in NO_API]
    there = set().union(*(described(rule) for rule in rules))
    operations = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item
    }
    assert operations == there


def test_the_document_is_valid_openapi_3_1(site: Site, document: dict[str, Any]) -> None:
    schemathesis.openapi.from_dict(document).validate()
    assert document["openapi"].startswith("3.1.")
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        assert re.fullmatch(r"[A-Z]\w+", name)


def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    shared = {"components": document["components"]}
    looked_at = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {}).get("application/json", {})
                # Examples may leave out what would fill a screen.
                if "example" in content and path not in ("/models.json", "/status.json"):
                    schema = {**shared, **content["schema"]}
                    error = next(jsonschema_rs.iter_errors(schema, content["example"]), None)
                    assert error is None, f"{method} {path} {status}: {error}"
                    looked_at += 1
    assert looked_at > 40


def test_every_operation_has_a_name_of_its_own_and_words(document: dict[str, Any]) -> None:
    names = [each.name for each in openapi.operations(KINDS)]
    assert len(set(names)) == len(names)
    for operation in openapi.operations(KINDS):
        assert operation.summary and not operation.summary.endswith(".")
        assert all(value.about.endswith(".") for value in operation.values)
        assert all(answer.about.endswith(".") for answer in operation.answers)
    assert "post-objectdetection" in names and "get-batches-id-csv" in names


def test_the_document_tells_the_numbers_models_and_address_of_this_server(site: Site) -> None:
    settings = replace(
        site.settings,
        max_upload_mb=7.5,
        max_batch_photos=12,
        max_wait=33,
        trusted_hosts="photos.lan",
    )
    http = create_app(site.service, settings).test_client()
    answer = http.get("/openapi.json", headers={"Host": "photos.lan:8080"})
    document = answer.get_json()
    assert document["servers"] == [{"url": "http://photos.lan:8080"}]
    upload = document["paths"]["/imageclassification"]["post"]
    assert "7.5 MB" in upload["responses"]["413"]["description"]
    form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert form["model"]["enum"] == ["default", "other"]
    wait = document["paths"]["/objectdetection/odres"]["get"]["parameters"][2]
    assert wait["name"] == "wait" and "at most 33" in wait["description"]
    batch = document["paths"]["/batches"]["post"]
    assert "12 photos" in batch["description"]
    assert "{max" not in answer.get_data(as_text=True)


def test_an_upload_leads_to_what_its_key_opens(document: dict[str, Any]) -> None:
    answer = document["paths"]["/objectdetection"]["post"]["responses"]["200"]
    assert set(answer["links"]) == {
        "get-objectdetection-odres",
        "delete-objectdetection-odres",
        "get-objectdetection-odres-odiptimg",
    }


@pytest.mark.parametrize("operation", LISTED, ids=name_of)
def test_examples_can_be_run_as_they_stand(operation: Operation) -> None:
    server = "http://photos.lan"
    words = shlex.split(snippets.curl(operation, server))
    assert words[0] == "curl" and words[-1].startswith(server + "/")
    assert "{" not in words[-1]
    tree = ast.parse(snippets.python(operation, server))
    calls = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    assert operation.method.lower() in calls


@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
def test_the_page_tells_all_of_it_without_scripts(site: Site, lang: str) -> None:
    page = site.http.get(f"/docs?lang={lang}", headers={"Host": "photos.localhost"})
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    for operation in LISTED:
        assert f'id="{operation.name}"' in text
        assert f"<code>{operation.path}</code>" in text
        assert (f">{operation.summary}\n" in text) == (lang == "en")
    assert "http://photos.localhost/objectdetection" in text
    assert "{max" not in text
    assert f"{site.settings.max_upload_mb:g} MB" in text


def test_every_link_on_the_page_leads_somewhere(site: Site) -> None:
    text = site.http.get("/docs").get_data(as_text=True)
    targets = set(re.findall(r'href="#([^"]+)"', text))
    assert len(targets) > 30
    assert targets <= set(re.findall(r'id="([^"]+)"', text))


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_it_travels_light_to_those_who_can_unpack(site: Site, path: str) -> None:
    plain = site.http.get(path)
    packed = site.http.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < 40_000
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert int(packed.headers["Content-Length"]) == len(packed.data)


def test_the_description_knows_how_many_one_stream_follows(document: dict[str, Any]) -> None:
    for parameter in document["paths"]["/events"]["get"]["parameters"]:
        assert parameter["schema"]["maxItems"] == MAX_TASKS


def test_a_hostile_host_is_only_text_on_the_page(site: Site) -> None:
    """Also where the operator trusts every name."""
    settings = replace(site.settings, trusted_hosts="*")
    http = create_app(site.service, settings).test_client()
    page = http.get("/docs", headers={"Host": "a'\"><script>x</script>"})
    assert page.status_code == 200
    assert "<script>x" not in page.get_data(as_text=True)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/batches/../etc/passwd", 404, "not_found"),
        ("DELETE", "/imageclassification", 405, "wrong_method"),
        ("POST", "/healthz", 405, "wrong_method"),
        ("PATCH", "/batches", 405, "wrong_method"),
    ],
)
def test_programs_get_errors_of_http_as_json_and_people_as_a_page(
    site: Site, method: str, path: str, status: int, code: str
) -> None:
    answer = site.http.open(path, method=method)
    body = answer.get_json()
    assert (answer.status_code, body["code"], body["status"]) == (status, code, "error")
    assert body["sessname"] == body["error"]
    assert ("Allow" in answer.headers) == (status == 405)
    page = site.http.open(path, method=method, headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert ("Allow" in page.headers) == (status == 405)
    assert "<h1>" in page.get_data(as_text=True)


def test_a_part_that_a_picture_does_not_have_is_no_mistake_of_the_server(site: Site) -> None:
    answer = site.post(KINDS[0], picture())
    query = {"task": answer["sessname"], "key": answer["sesskey"]}
    got = site.http.get(
        KINDS[0].input, query_string=query, headers={"Range": "bytes=9000000-"}, buffered=True
    )
    assert got.status_code == 416
    assert got.headers["Content-Range"].startswith("bytes */")


def test_a_mistake_keeps_its_text_to_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise RuntimeError("a secret")

    monkeypatch.setattr(site.service.readiness, "read", broken)
    answer = site.http.get("/readyz")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal")
    assert "secret" not in json.dumps(answer.get_json())
