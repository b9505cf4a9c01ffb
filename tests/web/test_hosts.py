"""By which names the server is known: DNS rebinding, proxies, machines in a laboratory."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.inprocess import Site
from support.kinds import IC

from scai.errors import ConfigError, UnknownHost
from scai.settings import Settings
from scai.web.visitors import KnownHosts, is_loopback


def known(hosts: KnownHosts, name: str | None) -> bool:
    try:
        hosts.check(name)
    except UnknownHost:
        return False
    return True


KNOWN = [
    None,  # HTTP/1.0; no browser
    "",  # the same, by a program that sends the header all the same
    "localhost",
    "LocalHost:5000",
    "localhost.:5000",
    "scai.localhost",
    "127.0.0.1:5000",
    "192.168.1.20:5000",
    "8.8.8.8",
    "[::1]:5000",
    "[fe80::1]",
    "[::ffff:10.0.0.1]:5000",
    "lab3",
    "LAB3.cs.example:5000",
    "lab3.local",
    "photos.lan:8080",
    "photos.lan",
    "a.b.example.org",
    "example.org",
]
UNKNOWN = [
    "evil.example",
    "evil.example:5000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "photos.lan.evil.example",
    "lab3.evil.example",
    "anexample.org",
    "notlocalhost",
    "999.1.1.1",
    "127.1",
    "[::1]evil",
    "[evil]",
    "localhost:5000:1",
    "localhost/",
    "evil.example, localhost",
    "user@localhost",
    '"><script>',
    "密",
]


@pytest.fixture
def hosts() -> KnownHosts:
    settings = Settings(trusted_hosts="photos.lan, .Example.org")
    return KnownHosts(settings, machine="lab3.cs.example")


@pytest.mark.parametrize("name", KNOWN)
def test_the_server_answers_to_its_own_names_and_to_every_address(
    hosts: KnownHosts, name: str | None
) -> None:
    assert known(hosts, name)


@pytest.mark.parametrize("name", UNKNOWN)
def test_it_answers_to_no_other_name(hosts: KnownHosts, name: str) -> None:
    assert not known(hosts, name)


def test_the_name_in_the_setting_host_is_known() -> None:
    assert known(KnownHosts(Settings(host="scai.lan"), machine="x"), "scai.lan:5000")
    assert not known(KnownHosts(Settings(host="0.0.0.0"), machine="x"), "scai.lan:5000")


def test_an_asterisk_means_any_name() -> None:
    assert known(KnownHosts(Settings(trusted_hosts="*"), machine="x"), "evil.example")


@pytest.mark.parametrize(
    "text", ["http://photos.lan", "photos.lan:5000", "a,b/c", "*.lan", ".", "a..b", "me@photos"]
)
def test_a_wrong_setting_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="trusted_hosts: expected host names"):
        KnownHosts(Settings(trusted_hosts=text))


@pytest.mark.parametrize(
    "path, method",
    [
        ("/", "GET"),
        ("/status.json", "GET"),
        ("/nothing", "GET"),
        ("/static/scai.css", "GET"),
        ("/healthz", "HEAD"),
        (IC.upload, "POST"),
        (IC.upload, "OPTIONS"),
        (IC.result, "DELETE"),
        ("/batch", "POST"),
    ],
)
def test_a_rebound_name_reaches_nothing(site: Site, path: str, method: str) -> None:
    """Its page would be of the same site for the browser: nothing but the host tells."""
    headers = {
        "Host": "evil.example:5000",
        "Origin": "http://evil.example:5000",
        "Sec-Fetch-Site": "same-origin",
    }
    answer = site.http.open(path, method=method, headers=headers)
    assert answer.status_code == 421
    if method != "HEAD":
        told = answer.get_json()
        assert (told["code"], told["setting"]) == ("unknown_host", "trusted_hosts")
        assert "trusted_hosts" in told["error"] and told["error"] == told["sessname"]


@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
def test_a_person_who_used_an_unknown_name_reads_what_to_do(site: Site, lang: str) -> None:
    headers = {"Host": "<b>.example", "Accept": "text/html,*/*;q=0.8"}
    answer = site.http.get(f"/?lang={lang}", headers=headers)
    assert answer.status_code == 421 and answer.mimetype == "text/html"
    assert "trusted_hosts" in answer.text and "not known by the name" in answer.text
    assert "&lt;b&gt;.example" in answer.text and "<b>" not in answer.text
    assert ("Unknown host name" in answer.text) == (lang == "en")
    assert "Content-Security-Policy" in answer.headers


def test_a_proxy_may_not_rename_the_server(site: Site) -> None:
    """X-Forwarded-Host is what a client says: a page can set it where its requests are allowed."""
    behind = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
    assert site.http.get("/status.json", headers=behind).status_code == 421
    other = {"Host": "localhost", "X-Forwarded-Host": "evil.example"}
    assert "evil" not in site.http.get("/docs", headers=other).text


def test_the_name_of_the_setting_is_answered(tmp_path: Path) -> None:
    site = Site(tmp_path, trusted_hosts="photos.lan")
    try:
        page = site.http.get("/docs", headers={"Host": "photos.lan"})
        assert page.status_code == 200 and "http://photos.lan/" in page.text
    finally:
        site.close()


def test_addresses_of_this_machine_alone() -> None:
    own = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost")
    assert all(map(is_loopback, own))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "", "10.0.0.1", "::ffff:10.0.0.1", "lab")))
