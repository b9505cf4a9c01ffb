"""SCAI beside other inference servers: the same model, the same uploads, the same clients.

Each server runs alone, starts anew in every round and takes turns with the others. The peers follow
their own guides (peer_programs/) and live in environments of their own (peers_install.py). SCAI and
TensorFlow compute in float32. The default of OpenVINO is bfloat16 where the processor supports it,
so the peer with OpenVINO is measured in both.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from benchmarks._models import SAVED_MODEL
from benchmarks.harness import interleave, progress
from benchmarks.installation.inputs import Subject, classification
from benchmarks.installation.setup import site, warning
from benchmarks.installation.site import (
    descendants,
    end,
    free_port,
    processor_seconds,
    start,
    usage,
)
from benchmarks.load.clients import Address, closed_loop
from benchmarks.load.loop import Outcome
from benchmarks.load.talks import Talk, has_predictions, one_request, scai_talk
from benchmarks.peers_install import PEERS, PROGRAMS, NotInstalled, Peer, install
from benchmarks.report import Report
from scai.engines.base import cores

OPTIONS = [
    click.Option(
        ["--peer"],
        type=click.Choice([peer.name for peer in PEERS]),
        multiple=True,
        help="Measure only this one. Repeatable.",
    )
]
SCAI = "SCAI"
CLIENTS = 16
_IDLE_TALKS = 40
# Seconds until a server must answer.
_READY = 120.0
_TRIAL_SECONDS = 3.0
# Bar and aim against peers with TensorFlow, and against the peer with our engine and precision.
_PROMISES = {
    "flask-tensorflow": (2.0, 3.0),
    "litserve-tensorflow": (2.0, 3.0),
    "bentoml-tensorflow": (2.0, 3.0),
    "litserve-openvino": (0.9, 1.2),
}
_PREDICTIONS = 5
_OTHERS = "other programs, processors"

Server = tuple[Address, int]
# Folder below --out. It is not "peers", the folder of the installations, which must stay.
WORK = "peers-work"


def run(rounds: int, quick: bool, out: Path, *, peer: tuple[str, ...] = ()) -> Report:
    """Run the benchmark; a peer that cannot be installed or started is noted and left out."""
    report = Report("peers", f"SCAI and other servers, {CLIENTS} clients, MobileNetV2 224 float32")
    work = out / WORK
    subject = classification(work, None)
    measurement = PeerRows(report, subject, work, quick)
    contenders: dict[str, Callable[[], None]] = {SCAI: measurement.scai}
    candidates = [each for each in PEERS if not peer or each.name in peer]
    peers = []
    for each in candidates:
        try:
            install(each)
            best = measurement.best_setting(each)
        except (NotInstalled, click.ClickException) as error:
            text = error.message if isinstance(error, click.ClickException) else str(error)
            report.notes.append(f"{each.title}: not measured: {' '.join(text.split())}")
            continue
        report.notes.append(f"{each.title}: {each.versions()}{f'; {best}' if best else ''}")
        peers.append(each)
        contenders[each.title] = partial(measurement.peer, each, best)
    try:
        interleave(rounds, contenders)
    finally:
        measurement.clear()
    measurement.conclude(peers)
    return report


class PeerRows:
    """The rows of all servers."""

    def __init__(self, report: Report, subject: Subject, work: Path, quick: bool) -> None:
        self.report = report
        self._subject = subject
        self._work = work
        self._seconds = 2.0 if quick else 8.0
        self._idle = 10 if quick else _IDLE_TALKS
        self._sites = 0
        self._failures: dict[str, Counter[str]] = {}
        photo = subject.photo.read_bytes()
        check = has_predictions(_PREDICTIONS)
        self._scai_talk = scai_talk(subject.kind, photo, check)
        self._peer_talk = one_request("/predict", photo, "photo", check)

    def scai(self) -> None:
        """Measure SCAI as it is installed: portal, one worker, all writes flushed."""
        began = time.perf_counter()
        self._sites += 1
        folder = self._work / f"site-{self._sites}"
        with site(self._subject, folder, keep=True) as server:
            self._measure(SCAI, (server.address, server.process.pid), self._scai_talk, began)

    def peer(self, peer: Peer, setting: str) -> None:
        """Measure one peer in its best setting."""
        began = time.perf_counter()
        with self._serve(peer, setting) as server:
            self._measure(peer.title, server, self._peer_talk, began)

    def clear(self) -> None:
        """Remove SCAI's sessions at the end; earlier, that would slow down later rounds."""
        for folder in self._work.glob("site-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def best_setting(self, peer: Peer) -> str:
        """Find the setting with the most images a second; "" where there is only one."""
        if len(peer.settings) == 1:
            return next(iter(peer.settings))
        rates = {}
        for name in peer.settings:
            progress(f"trying {peer.title}: {name}")
            with self._serve(peer, name) as (address, _):
                outcome = closed_loop(
                    address, self._peer_talk, CLIENTS, seconds=_TRIAL_SECONDS, warm=1.0
                )
                rates[name] = outcome.per_second
        rates_text = ", ".join(f"{name}: {rate:.0f} images/s" for name, rate in rates.items())
        self.report.notes.append(f"{peer.title}, settings tried: {rates_text}")
        return max(rates, key=lambda name: rates[name])

    def _measure(self, name: str, server: Server, talk: Callable[[], Talk], began: float) -> None:
        address, pid = server
        report = self.report
        report.add(f"{name}, start", "s", time.perf_counter() - began)
        idle = closed_loop(address, talk, 1, count=self._idle)
        report.add(f"{name}, 1 client, p50", "ms", idle.ms(0.5))
        before, total_before = usage([pid, *descendants(pid)]).cpu, processor_seconds()
        moment = time.perf_counter()
        load = closed_loop(address, talk, CLIENTS, seconds=self._seconds, warm=1.0)
        after = usage([pid, *descendants(pid)])
        cpu = after.cpu - before
        others = processor_seconds() - total_before - cpu - load.cpu
        duration = time.perf_counter() - moment
        report.add(f"{name}, {CLIENTS} clients", "images/s", load.per_second)
        for text, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            report.add(f"{name}, {CLIENTS} clients, {text}", "ms", load.ms(share))
        report.add(f"{name}, processor", "ms/image", 1000 * cpu / max(1, load.talks))
        report.add(_OTHERS, "cores", max(0.0, others) / duration)
        report.add(f"{name}, memory after the load", "MB", after.pss, "PSS of all processes")
        self._count(name, idle, load)

    def _count(self, name: str, *outcomes: Outcome) -> None:
        failures = self._failures.setdefault(name, Counter())
        for outcome in outcomes:
            failures += outcome.failures

    @contextmanager
    def _serve(self, peer: Peer, setting: str) -> Iterator[Server]:
        """Run the peer until the block ends. Raises click.ClickException if it does not answer."""
        port = free_port()
        placeholders = {"port": str(port), "cores": str(cores()), "programs": str(PROGRAMS)}
        first, *rest = [part.format(**placeholders) for part in peer.command]
        folder = self._work / peer.name
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "log.txt"
        process = start(
            [str(peer.bin / first), *rest],
            folder,
            {**self._environment(peer), **peer.settings[setting]},
            log,
        )
        try:
            address = ("127.0.0.1", port)
            deadline = time.monotonic() + _READY
            while closed_loop(address, self._peer_talk, 1, count=1).failure_count:
                if process.poll() is not None or time.monotonic() > deadline:
                    last = log.read_text(errors="replace").splitlines()[-1:]
                    raise click.ClickException(f"it does not answer: {' '.join(last)[:200]}")
                time.sleep(0.2)
            yield address, process.pid
        finally:
            end(process)
            shutil.rmtree(folder, ignore_errors=True)

    def _environment(self, peer: Peer) -> Mapping[str, str]:
        return {
            "MODEL": str(SAVED_MODEL.resolve()),
            "PATH": f"{peer.bin}{os.pathsep}{os.environ.get('PATH', '')}",
            # Settings of the benchmark's own Python do not apply to another one.
            "PYTHONPATH": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            # No telemetry while it is measured.
            "BENTOML_DO_NOT_TRACK": "True",
        }

    def conclude(self, peers: list[Peer]) -> None:
        """Report the ratios of the rounds."""
        ours = self.report.row(f"{SCAI}, {CLIENTS} clients").values
        note = warning(self.report.row(_OTHERS).median) if peers else ""
        for peer in peers:
            theirs = self.report.row(f"{peer.title}, {CLIENTS} clients").values
            values = [own / other for own, other in zip(ours, theirs, strict=True) if other]
            bar, aim = _PROMISES.get(peer.name, (None, None))
            if values:
                ratio = f"SCAI / {peer.title}, images a second"
                self.report.ratio(ratio, statistics.median(values), bar, aim, note=note)
        for name, failures in self._failures.items():
            why = ", ".join(f"{count} x {reason}" for reason, count in failures.items())
            self.report.add(f"{name}, failed", "answers", failures.total(), why)
        self.report.notes.append(
            "SCAI and TensorFlow compute in float32. SCAI answers by an upload and a long-poll, "
            "with both flushed to the disk; the peers answer the upload itself and keep nothing."
        )
