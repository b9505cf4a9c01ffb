"""The whole service over HTTP, beside the bare loop that does the same work without a service.

`scai up` runs as an installation does: portal, one worker, uploads and verdicts flushed to the
disk. Clients upload a 640x480 JPEG of about 100 kB and wait for the verdict by long-poll. The
clients share the processor with the server; a row of the report says how much of it they use.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from benchmarks.children.child import Child
from benchmarks.harness import interleave
from benchmarks.installation.inputs import Subject, classification, detection
from benchmarks.installation.setup import about, alone, bare_loop, site, warning
from benchmarks.installation.site import Site, Usage, processor_seconds
from benchmarks.load.clients import closed_loop, open_loop
from benchmarks.load.loop import Outcome
from benchmarks.load.talks import Talk, has_predictions, scai_talk
from benchmarks.report import Report
from scai.models.cards import CLASSIFICATION

OPTIONS = [
    click.Option(
        ["--kind"],
        type=click.Choice(["both", "classification", "detection"]),
        default="both",
        show_default=True,
        help="Kind of recognition to measure.",
    ),
    click.Option(
        ["--detector"],
        type=click.Path(path_type=Path),
        help="Detector, a .tflite with labels beside it (default: COCO SSD in ../shared/models).",
    ),
    click.Option(["--photo"], type=click.Path(path_type=Path), help="Photo to upload."),
    click.Option(
        ["--tree"],
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        multiple=True,
        help="Another checkout of SCAI to compare with. Repeatable.",
    ),
    click.Option(["--bundled"], is_flag=True, help="Classify with a model that comes with SCAI."),
]
CLIENTS = (1, 4, 16, 64)
_MAIN = 16
_SHARES = (0.25, 0.5, 0.75, 0.9)
_IDLE_TALKS = 40
# Bars and aims.
_RATE = (0.70, 0.85)
_IDLE_MS = (12.0, 6.0)
_NO_PROMISE: tuple[float | None, float | None] = (None, None)
_MEMORY_MB = {"portal": (100.0, 60.0), "classification worker": (300.0, 200.0)}


def run(
    rounds: int,
    quick: bool,
    out: Path,
    *,
    kind: str = "both",
    detector: Path | None = None,
    photo: Path | None = None,
    tree: tuple[Path, ...] = (),
    bundled: bool = False,
) -> Report:
    """Run the benchmark for both kinds; quick: fewer clients, shorter."""
    report = Report("service", "Upload to verdict over HTTP, and the bare loop")
    work = out / "service"
    subjects = []
    if kind != "detection":
        subjects.append(classification(work, photo, bundled))
    if kind != "classification":
        subjects.append(detection(work, photo, detector))
    alone(report, subjects[0], work, _MAIN)
    for subject in subjects:
        _Measurement(report, subject, quick).run(rounds, work, tree)
    report.notes.append(
        "bare: decode, resize and infer in one process, in the fastest of several ways; detection: "
        "and draw, and encode with OpenCV's default PNG. Each ratio is the median of the rounds, "
        "in each of which the bare loop ran before and after the service. On a busy machine, "
        "the side with more processes gets a larger share: compare processor time."
    )
    return report


class _Measurement:
    """One kind of recognition: its bare loop and its sites, and their rows in the report."""

    def __init__(self, report: Report, subject: Subject, quick: bool) -> None:
        self._report = report
        self._subject = subject
        self._seconds = 2.0 if quick else 6.0
        self._quick = quick
        self._talk: Callable[[], Talk]
        self._talks = 0
        self._failures: Counter[str] = Counter()

    def run(self, rounds: int, work: Path, trees: tuple[Path, ...]) -> None:
        subject, report = self._subject, self._report
        with ExitStack() as stack:
            bare = stack.enter_context(bare_loop(subject, 2 if self._quick else 5))
            report.notes.append(about(subject, bare))
            # The service must return what the bare loop returns.
            check = has_predictions(bare.facts["results"])
            self._talk = scai_talk(subject.kind, subject.photo.read_bytes(), check)
            sites = {"": stack.enter_context(site(subject, work / "site"))}
            for tree in trees:
                own = stack.enter_context(site(subject, work / f"site-{tree.name}", tree))
                sites[f" ({tree.name})"] = own
            contenders: dict[str, Callable[[], object]] = {}
            for label, each in sites.items():
                contenders |= self._contenders(label, each, bare)
            interleave(rounds, contenders)
            for label, each in sites.items():
                self._conclude(label, each)
        why = ", ".join(f"{count} x {reason}" for reason, count in self._failures.items())
        failure_count = self._failures.total()
        report.add(
            f"{subject.name}, failed of {self._talks} uploads", "answers", failure_count, why
        )

    def _contenders(self, label: str, site: Site, bare: Child) -> dict[str, Callable[[], object]]:
        """The measurements of each round, by name."""
        name = f"{self._subject.name}{label}"
        calls: dict[str, Callable[[], object]] = {
            f"{name}, {_MAIN} clients beside the bare loop": lambda: self._beside(name, site, bare),
            f"{name}, one idle client": lambda: self._idle(name, site, bare),
        }
        if self._quick:
            return calls
        for clients in CLIENTS:
            if clients not in (1, _MAIN):
                calls[f"{name}, {clients} clients"] = partial(
                    self._closed_loop, name, site, clients
                )
        for share in _SHARES:
            calls[f"{name}, {share:.0%} of the rate"] = partial(self._open_loop, name, site, share)
        return calls

    def _beside(self, name: str, site: Site, bare: Child) -> None:
        """Measure the service with `_MAIN` clients, between two runs of the bare loop."""
        before = bare.ask({"seconds": self._seconds / 2})
        outcome = self._closed_loop(name, site, _MAIN)
        after = bare.ask({"seconds": self._seconds / 2})
        rate = (before["per_second"] + after["per_second"]) / 2
        self._report.add(f"{name}, bare loop", "images/s", rate)
        alone = (before["cpu_ms"] + after["cpu_ms"]) / 2
        self._report.add(f"{name}, bare loop, processor", "ms/image", alone)
        self._report.add(f"{name}, {_MAIN} clients / bare", "of it", outcome.per_second / rate)

    def _closed_loop(self, name: str, site: Site, clients: int) -> Outcome:
        before, began, all_before = site.usage(), time.perf_counter(), processor_seconds()
        outcome = closed_loop(
            site.address, self._talk, clients, seconds=self._seconds, warm=self._seconds / 4
        )
        after = site.usage()
        case = f"{name}, {clients} clients"
        self._report.add(case, "images/s", outcome.per_second)
        self._latencies(case, outcome)
        if clients == _MAIN and outcome.talks:
            duration, all_cpu = time.perf_counter() - began, processor_seconds() - all_before
            cpu_by_role = {
                role: usage.cpu - before.get(role, Usage()).cpu for role, usage in after.items()
            }
            cpu_by_role["the clients"] = outcome.cpu
            for role, seconds in {**cpu_by_role, "all together": sum(cpu_by_role.values())}.items():
                row = f"{name}, {role}, processor"
                self._report.add(row, "ms/image", 1000 * seconds / outcome.talks)
            ours = sum(cpu_by_role.values())
            self._report.add(f"{name}, processors busy", "cores", ours / duration)
            others = max(0.0, all_cpu - ours) / duration
            self._report.add(f"{name}, other programs, processors", "cores", others)
        return outcome

    def _open_loop(self, name: str, site: Site, share: float) -> None:
        """Measure new clients at a share of the closed loop's rate."""
        rate = share * self._report.row(f"{name}, {_MAIN} clients").median
        outcome = open_loop(site.address, self._talk, rate, seconds=self._seconds)
        case = f"{name}, new clients at {share:.0%} of the rate"
        self._report.add(f"{case}, offered", "images/s", rate)
        self._latencies(case, outcome)

    def _idle(self, name: str, site: Site, bare: Child) -> None:
        half = {"latencies": _IDLE_TALKS // 2}
        alone = bare.ask(half)["latencies"]
        outcome = closed_loop(site.address, self._talk, 1, count=_IDLE_TALKS)
        alone += bare.ask(half)["latencies"]
        one = 1000 * statistics.median(alone)
        self._report.add(f"{name}, 1 client", "images/s", outcome.per_second)
        self._latencies(f"{name}, 1 client", outcome)
        self._report.add(f"{name}, bare loop, one image", "ms", one)
        self._report.add(f"{name}, 1 client, beyond the bare loop", "ms", outcome.ms(0.5) - one)

    def _latencies(self, case: str, outcome: Outcome) -> None:
        for text, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            self._report.add(f"{case}, {text}", "ms", outcome.ms(share))
        self._talks += outcome.talks
        self._failures += outcome.failures

    def _conclude(self, label: str, site: Site) -> None:
        """Report the ratios of the rounds, and the memory after them."""
        name, report = f"{self._subject.name}{label}", self._report
        row = report.row
        ours = not label
        fraction = row(f"{name}, {_MAIN} clients / bare").median
        others = row(f"{name}, other programs, processors").median
        note = warning(others)
        bar, aim = _RATE if ours else _NO_PROMISE
        report.ratio(f"{name}, {_MAIN} clients / bare loop", fraction, bar, aim, note=note)
        alone = row(f"{name}, bare loop, processor").median
        together = row(f"{name}, all together, processor").median
        report.ratio(f"{name}, processor time of the bare loop / of all", alone / together)
        beyond = row(f"{name}, 1 client, beyond the bare loop").median
        classifies = ours and self._subject.kind == CLASSIFICATION
        bar, aim = _IDLE_MS if classifies else _NO_PROMISE
        report.ratio(
            f"{name}, one idle client beyond the bare loop, ms",
            beyond,
            bar,
            aim,
            at_most=True,
            note=note,
        )
        for role, usage in site.usage().items():
            report.add(f"{name}, {role}, memory after the load", "MB", usage.pss, "PSS")
            if classifies and role in _MEMORY_MB:
                bar, aim = _MEMORY_MB[role]
                report.ratio(
                    f"{role}, memory after the load, MB", usage.pss, bar, aim, at_most=True
                )
        self._curves(name)

    def _curves(self, name: str) -> None:
        rows = {row.name: row.median for row in self._report.rows}
        cases = [f"{name}, new clients at {share:.0%} of the rate" for share in _SHARES]
        cases = [case for case in cases if f"{case}, offered" in rows]
        for text in ("p50", "p99") if cases else ():
            self._report.series[f"{name}, {text}"] = {
                "x": [rows[f"{case}, offered"] for case in cases],
                "y": [rows[f"{case}, {text}"] for case in cases],
                "xlabel": "images/s offered",
                "ylabel": "upload to verdict, ms",
            }
