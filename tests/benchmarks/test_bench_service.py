"""The load generator and the benchmarks of whole services."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks import command, peers, peers_install, service, soak
from benchmarks.installation.inputs import Subject
from benchmarks.installation.site import Usage, children, descendants
from benchmarks.load.clients import closed_loop, open_loop
from benchmarks.load.loop import Outcome, read_reply
from benchmarks.load.talks import has_predictions, one_request, scai_talk
from benchmarks.peers_install import PEERS, NotInstalled, Peer, install
from benchmarks.soak import Samples

IC = "image_classification"
VERDICT = {"state": "complete", "predictions": [{"label": "cat"}]}

Handle = Callable[[str, bytes], "tuple[int, object]"]


class Server:
    """Answers each request by `handle(path, body) -> (status, JSON)`; counts what was asked."""

    def __init__(self) -> None:
        self.handle: Handle = lambda path, body: (200, VERDICT)
        self.asked: list[str] = []
        self.connections = 0
        self.chunked = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer.connections += 1

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append(self.path)
                status, value = outer.handle(self.path, body)
                if status == 0:
                    self.close_connection = True
                    return
                data = json.dumps(value).encode()
                self.send_response(status)
                if outer.chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for part in (data[:3], data[3:]):
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.address = ("127.0.0.1", self._http.server_port)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def ask(data: bytes = b"photo"):
    return one_request("/predict", data, "photo", has_predictions(1))


def scai(path: str, body: bytes) -> tuple[int, object]:
    """What SCAI's portal answers, without recognising anything."""
    if path == "/imageclassification":
        return 200, {"status": "success", "sessname": "d-1", "sesskey": "k"}
    return 200, VERDICT


def test_a_closed_loop_runs_each_talk_once_over_as_many_connections_as_clients(server) -> None:
    ended = []
    outcome = closed_loop(server.address, ask(), 3, count=20, tick=ended.append)
    assert len(outcome.latencies) == len(server.asked) == outcome.requests == 20
    assert outcome.failure_count == 0 and server.connections == 3
    assert ended == list(range(1, 21))
    assert outcome.wall > 0 and outcome.cpu > 0
    assert outcome.per_second == pytest.approx(20 / outcome.wall)


def test_a_large_upload_arrives_whole(server) -> None:
    data = bytes(range(256)) * 30_000
    got = []
    server.handle = lambda path, body: (got.append(body), (200, VERDICT))[1]
    assert closed_loop(server.address, ask(data), 2, count=4).failure_count == 0
    assert len(got) == 4 and all(data in body for body in got)


def test_scai_is_asked_for_the_verdict_of_what_was_taken(server) -> None:
    server.handle = scai
    outcome = closed_loop(server.address, scai_talk(IC, b"photo"), 2, count=6)
    assert len(outcome.latencies) == 6 and outcome.requests == 12
    assert server.asked.count("/imageclassification") == 6
    assert "/imageclassification/imgclassres?task=d-1&key=k&wait=30" in server.asked


def test_a_long_poll_without_a_verdict_is_asked_again(server) -> None:
    states = iter(["initialization", "processing", "complete"])

    def handle(path: str, body: bytes) -> tuple[int, object]:
        status, answer = scai(path, body)
        return status, answer if "sessname" in answer else {"state": next(states)}

    server.handle = handle
    outcome = closed_loop(server.address, scai_talk(IC, b"photo"), 1, count=1)
    assert len(outcome.latencies) == 1 and outcome.requests == 4


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (503, {"error": "full"}, "status 503"),
        (200, {"predictions": []}, "0 results in place of 1"),
        (200, {"error": "no"}, "no result in the answer"),
        (200, [1], "no JSON object"),
        # The server closes the connection in place of an answer.
        (0, {}, "connection closed"),
    ],
)
def test_bad_answers_are_counted_and_the_run_goes_on(server, status, answer, reason) -> None:
    turns = iter(range(100))
    server.handle = lambda path, body: (status, answer) if next(turns) < 2 else (200, VERDICT)
    outcome = closed_loop(server.address, ask(), 1, count=5)
    assert outcome.failures == {reason: 2} and len(outcome.latencies) == 3
    assert outcome.why() == f"2 x {reason}"


def test_a_failed_session_is_a_failure(server) -> None:
    server.handle = lambda path, body: (
        scai(path, body) if "?" not in path else (200, {"state": "failure"})
    )
    outcome = closed_loop(server.address, scai_talk(IC, b"photo"), 1, count=1)
    assert outcome.failures == {"failure": 1} and not outcome.latencies


def test_an_answer_in_chunks_is_read(server) -> None:
    server.chunked = True
    assert closed_loop(server.address, ask(), 2, count=6).failure_count == 0


def test_an_open_loop_keeps_its_rate_and_counts_from_when_a_client_was_due(server) -> None:
    """One stall of the server is felt by all who came meanwhile, not by one."""
    gate = threading.Lock()
    first = threading.Event()

    def handle(path: str, body: bytes) -> tuple[int, object]:
        with gate:
            if not first.is_set():
                first.set()
                time.sleep(0.3)
        return 200, VERDICT

    server.handle = handle
    outcome = open_loop(server.address, ask(), rate=100, seconds=0.5)
    assert len(outcome.latencies) == len(server.asked) == 50
    late = [latency for latency in outcome.latencies if latency > 0.1]
    assert len(late) >= 15
    assert outcome.wall >= 0.5


def test_percentiles_are_latencies_that_happened() -> None:
    outcome = Outcome(latencies=[i / 1000 for i in range(1, 101)])
    assert [outcome.ms(share) for share in (0.5, 0.95, 0.99, 1)] == pytest.approx([50, 95, 99, 100])
    assert Outcome().ms(0.5) != Outcome().ms(0.5)


def test_an_answer_is_read_when_it_is_whole() -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    assert [read_reply(whole[:end]) is None for end in (10, len(whole) - 1, len(whole))] == [
        True,
        True,
        False,
    ]
    ends = b"HTTP/1.1 200 OK\r\n\r\n{}"
    assert read_reply(ends) is None and read_reply(ends, closed=True).body == b"{}"


def test_growth_and_slope_are_those_after_the_warm_up() -> None:
    samples = Samples()
    for images in range(1000, 100_001, 1000):
        grown = 50 if images < 10_000 else 60 + images / 10_000
        samples.add(images, {"portal": Usage(rss=grown), "passing": Usage()})
    samples.add(100_000, {"portal": Usage(rss=70)})
    assert samples.roles() == ["portal"]
    assert samples.slope("portal", lambda used: used.rss) == pytest.approx(10, rel=0.01)
    assert samples.growth("portal", lambda used: used.rss) == pytest.approx(8.5, abs=0.1)


def test_files_that_come_and_go_with_the_jobs_are_no_leak() -> None:
    samples = Samples()
    for images in range(1000, 100_001, 1000):
        late = images > 50_000
        in_hand = images // 1000 % (7 if late else 3)
        samples.add(images, {"portal": Usage(descriptors=20 + in_hand)})
    assert samples.leak("portal", lambda used: used.descriptors) == 0
    samples.usages = [{"portal": Usage(descriptors=20 + i // 20)} for i in range(100)]
    assert samples.leak("portal", lambda used: used.descriptors) == 4


@pytest.fixture
def fake_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Peer]:
    """A peer whose environment's Python is the given shell script."""

    def make(script: str) -> Peer:
        def create(home: Path, **_: object) -> None:
            (home / "bin").mkdir(parents=True)
            (home / "bin" / "python").write_text(f"#!/bin/sh\n{script}\n")
            (home / "bin" / "python").chmod(0o755)

        monkeypatch.setattr(peers_install.venv, "create", create)
        return Peer("fake", "Fake", ("flask", "Some_Thing"), ("python",), folder=tmp_path)

    return make


def test_a_peer_is_installed_once_and_its_versions_are_known(fake_pip) -> None:
    peer = fake_pip('echo "$@" >> "$0.calls"; echo flask==3.1; echo some-thing==2; echo other==1')
    for _ in range(2):
        install(peer)
    assert peer.versions() == "flask==3.1, some-thing==2"
    assert len((peer.bin / "python.calls").read_text().splitlines()) == 2


def test_a_failed_installation_says_why_and_is_tried_again(fake_pip) -> None:
    peer = fake_pip("echo trying; echo 'ERROR: no such package' >&2; exit 1")
    for _ in range(2):
        with pytest.raises(NotInstalled, match="ERROR: no such package"):
            install(peer)
        (peer.bin / "python").unlink()
        (peer.bin).rmdir()


def test_a_peer_that_cannot_be_installed_is_told_of_and_left_out(monkeypatch, tmp_path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"photo")

    def refuse(peer: Peer) -> None:
        raise NotInstalled("no such package")

    def scai(self: object) -> None:
        self.report.add("SCAI, 16 clients", "images/s", 100)

    monkeypatch.setattr(peers, "install", refuse)
    monkeypatch.setattr(peers, "classification", lambda *_: Subject(IC, photo, photo, "model"))
    monkeypatch.setattr(peers.PeerRows, "scai", scai)
    report = peers.run(2, True, tmp_path)
    assert report.row("SCAI, 16 clients").values == [100, 100] and not report.ratios
    for peer in PEERS:
        assert f"{peer.title}: not measured: no such package" in report.notes


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_its_program(peer: Peer) -> None:
    text = " ".join(peer.command).format(port=1, cores=2, programs=peers_install.PROGRAMS)
    names = re.findall(r"(\w+_\w+)(?:\.py|:)", text)
    assert names and all((peers_install.PROGRAMS / f"{name}.py").is_file() for name in names)


@pytest.mark.slow
def test_the_service_is_measured_beside_its_bare_loop(tmp_path: Path) -> None:
    before = descendants(os.getpid())
    report = service.run(1, True, tmp_path, kind="classification", bundled=True)
    for name in (
        "classification, bare loop",
        "classification, 16 clients",
        "classification, 1 client, p50",
        "classification, portal, memory after the load",
        "classification, classification worker, processor",
        "the clients alone, processor",
    ):
        assert report.row(name).median > 0, name
    [failed] = [row for row in report.rows if "failed" in row.name]
    assert failed.median == 0, failed.note
    assert {ratio.bar for ratio in report.ratios} == {0.7, None, 12, 100, 300}
    assert [pid for pid in children(os.getpid()) if pid not in before] == []
    assert not list(tmp_path.glob("**/session"))


@pytest.mark.slow
def test_a_soak_samples_every_process_until_its_end(tmp_path: Path) -> None:
    report = soak.run(1, True, tmp_path, images=200)
    assert report.row("failed of 200").median == 0
    for role in ("supervisor", "portal", "classification worker"):
        assert report.row(f"{role}, RSS at the end").median > 10
        assert len(report.series[role]["x"]) >= 200


def test_measuring_peers_leaves_their_installations_alone() -> None:
    work = command.OUT / peers.WORK
    assert not peers_install.FOLDER.is_relative_to(work)
    assert not work.is_relative_to(peers_install.FOLDER)
