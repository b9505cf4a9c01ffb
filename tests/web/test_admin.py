"""Who counts as the administrator, and what the state of the server tells everybody else."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, jsonify, request
from support.inprocess import Site

from scai.monitoring import strangers
from scai.queues.directory import DirectoryQueue
from scai.settings import Settings
from scai.web import visitors
from scai.web.admin import is_admin


def asked(settings: Settings, address: str | None, **headers: str) -> bool:
    """Whether the sender of a request is the administrator."""
    app = Flask("test")
    visitors.admit(app, settings)

    @app.get("/")
    def answer() -> object:
        return jsonify(is_admin(request))

    names = {name.replace("_", "-"): value for name, value in headers.items()}
    environment = {} if address is None else {"REMOTE_ADDR": address}
    told = app.test_client().get("/", headers=names, environ_overrides=environment)
    assert told.status_code == 200
    return bool(told.get_json())


LOOPBACK_HOSTS = [
    *("localhost", "LocalHost:5000", "localhost.:5000", "scai.localhost:5000"),
    *("127.0.0.1:5000", "127.0.0.9", "[::1]:5000", "[::1]"),
]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "::ffff:127.0.0.1"])
def test_the_administrator_sits_at_the_machine(address: str) -> None:
    for host in LOOPBACK_HOSTS:
        assert asked(Settings(), address, Host=host)
    assert not asked(Settings(admin="none"), address)


@pytest.mark.parametrize("trusted", ["", "photos.example, .lan", "*"])
def test_a_forwarder_of_tcp_makes_nobody_the_administrator(trusted: str) -> None:
    """socat and `ssh -R` connect from loopback, add no header and leave the browser's Host."""
    settings = Settings(trusted_hosts=trusted)
    hosts = ["192.168.1.20:5000", "10.0.0.7", "8.8.8.8", "[fe80::1]:5000", socket.gethostname()]
    if trusted:
        hosts += ["photos.example", "lab3.lan:5000"]
    if trusted == "*":
        hosts += [
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "127.1",
            "a b",
        ]
    for host in hosts:
        assert not asked(settings, "127.0.0.1", Host=host)


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1", "", "unix:", "0"])
def test_nobody_else_is(address: str) -> None:
    assert not asked(Settings(), address)


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-Forwarded-Host",
        "X-Forwarded",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
    ],
)
def test_behind_a_proxy_nobody_is(header: str) -> None:
    assert not asked(Settings(), "127.0.0.1", **{header: "127.0.0.1"})
    assert not asked(Settings(), "127.0.0.1", **{header: ""})


def test_a_page_of_another_site_does_not_borrow_the_rights_of_its_visitor() -> None:
    settings = Settings(allowed_origins="https://lab.example", trusted_hosts="*")
    assert asked(settings, "127.0.0.1", Host="localhost", Origin="http://localhost")
    for headers in (
        {"Host": "evil.example"},  # a rebound name, which the setting lets pass
        {"Origin": "https://lab.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert not asked(settings, "127.0.0.1", **headers)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """A site with a worker and a job on hold, and the worker's id."""
    pools = {"icpoolpath": tmp_path / "ic", "odpoolpath": tmp_path / "od"}
    site = Site(tmp_path, **pools)
    queue = DirectoryQueue(tmp_path / "ic", "image_classification", doorbell=False)
    queue.owner.announce(kind="image_classification", model="m", warm=True)
    queue.hold("d-20260101-" + "0" * 40, "cannot read /opt/scai/usr/net.pb: gone (see /var/log)")
    yield site, queue.owner.id
    queue.close()
    site.close()


def test_strangers_are_told_no_paths_processes_and_host_names(told: tuple[Site, str]) -> None:
    site, worker = told
    host = socket.gethostname().partition(".")[0]
    own: dict[str, Any] = site.http.get("/status.json").get_json()
    assert own["queues"][0]["workers"][0]["id"] == worker
    assert own["portal"]["pid"] == os.getpid()
    assert "/opt/scai" in own["queues"][0]["holds"][0]["reason"]
    far = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.7"}}
    document = site.http.get("/status.json", **far)
    stranger = document.get_json()
    texts = [json.dumps(stranger), site.http.get("/status", **far).text]
    for text in texts:
        assert worker not in text and "/opt" not in text and "pid" not in text
    assert host not in texts[0]
    assert stranger["queues"][0]["holds"][0]["reason"] == ("cannot read …/net.pb: gone (see …/log)")
    # All else is the same, so a monitor far away sees what one nearby does.
    for key in set(own) - {"queues", "portal", "time", "uptime_s", "disk"}:
        assert stranger[key] == own[key]
    [there], [here] = stranger["queues"][0]["workers"], own["queues"][0]["workers"]
    assert {**there, "id": "", "pid": 0} == {**here, "id": "", "pid": 0}
    again = site.http.get("/status.json", **far).get_json()
    assert again["queues"][0]["workers"][0]["id"] == there["id"] != ""


@pytest.mark.parametrize(
    ("sentence", "short"),
    [
        ("/a/b/c.pb: no such file", "…/c.pb: no such file"),
        ("'/srv/my data/x' and \"/y/z\"", "'…/my data/x' and \"…/z\""),
        ("usr/models.config: [m] GRAPH", "usr/models.config: [m] GRAPH"),
        ("JPEG/PNG, 1/2, and/or", "JPEG/PNG, 1/2, and/or"),
        ("http://127.0.0.1:5000/docs", "http://127.0.0.1:5000/docs"),
    ],
)
def test_of_an_absolute_path_the_last_part_is_left(sentence: str, short: str) -> None:
    assert strangers.without_folders(sentence) == short
