"""Memory, open files and threads of an installation over very many images.

`scai up` with its cleaner at a short keep time, 16 clients, small JPEGs and the model that SCAI
brings. Promises are about growth after the first tenth, when everything has been used once.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from benchmarks._photo import photo
from benchmarks.harness import progress
from benchmarks.installation.inputs import Subject
from benchmarks.installation.setup import site
from benchmarks.installation.site import Site, Usage
from benchmarks.load.clients import closed_loop
from benchmarks.load.talks import has_predictions, scai_talk
from benchmarks.report import Report
from scai.models.cards import CLASSIFICATION
from scai.settings import ROOT

OPTIONS = [
    click.Option(
        ["--images"],
        type=click.IntRange(min=200),
        help="Number of uploads (default: 100,000; quick: 2,000).",
    ),
    click.Option(
        ["--model"],
        default="objects",
        show_default=True,
        help="Section of usr/image_classification.config.",
    ),
]
CLIENTS = 16
_IMAGES, _QUICK_IMAGES = 100_000, 2_000
_SIZE = (240, 180, 8)  # width and height in pixels, kilobytes
_SAMPLES = 200
# Shares of the run at the beginning and end to compare.
_WARM, _WINDOW = 0.1, 0.05
# Growth of a process in MB, and in open files: bar, aim.
_GROWTH_MB = (10.0, 2.0)
_GROWTH_FILES = (0.0, 0.0)
_PER = 100_000
_ENVIRONMENT = {"SCAI_KEEPTIMEPERIOD": "30", "SCAI_CLEANINTERVAL": "10"}
_EXPECTED = 5


@dataclass
class Samples:
    """Usage of the processes after each number of images; one list entry a sample."""

    images: list[int] = field(default_factory=list)
    usages: list[dict[str, Usage]] = field(default_factory=list)

    def add(self, images: int, usage: dict[str, Usage]) -> None:
        """Record the current usage."""
        self.images.append(images)
        self.usages.append(usage)

    def roles(self) -> list[str]:
        """List the roles that exist in every sample."""
        return [role for role in self.usages[0] if all(role in usage for usage in self.usages)]

    def curve(self, role: str, value: Callable[[Usage], float]) -> list[float]:
        """Return one value of one role, sample by sample."""
        return [value(usage[role]) for usage in self.usages]

    def growth(self, role: str, value: Callable[[Usage], float]) -> float:
        """Return the difference of medians: last samples minus first ones after the warm-up."""
        begin, end = self._windows(role, value)
        return statistics.median(end) - statistics.median(begin)

    def leak(self, role: str, value: Callable[[Usage], float]) -> float:
        """Return the difference of minima: last samples minus first ones after the warm-up.

        For resources that come and go with the jobs in hand: only those that stay are counted.
        """
        begin, end = self._windows(role, value)
        return min(end) - min(begin)

    def _windows(
        self, role: str, value: Callable[[Usage], float]
    ) -> tuple[list[float], list[float]]:
        """Return the samples just after the warm-up, and the last ones."""
        total = self.images[-1]
        curve = list(zip(self.images, self.curve(role, value), strict=True))
        begin = [y for x, y in curve if _WARM <= x / total <= _WARM + _WINDOW]
        return begin, [y for x, y in curve if x / total >= 1 - _WINDOW]

    def slope(self, role: str, value: Callable[[Usage], float]) -> float:
        """Fit the growth for 100,000 images after the warm-up, by least squares."""
        total = self.images[-1]
        curve = zip(self.images, self.curve(role, value), strict=True)
        late = [(x, y) for x, y in curve if x / total >= _WARM]
        return statistics.linear_regression(*zip(*late, strict=True)).slope * _PER


def run(
    rounds: int, quick: bool, out: Path, *, images: int | None = None, model: str = "objects"
) -> Report:
    """Run the benchmark, once; `rounds` is ignored."""
    count = images or (_QUICK_IMAGES if quick else _IMAGES)
    report = Report("soak", f"{count:,} images through scai up, {CLIENTS} clients, model {model}")
    data = photo(*_SIZE)
    subject = Subject(CLASSIFICATION, ROOT / "usr" / "image_classification.config", out, model)
    talk = scai_talk(subject.kind, data, has_predictions(_EXPECTED))
    more = {**_ENVIRONMENT, "SCAI_USEDCONFIG": model}
    with site(subject, out / "soak-site", more=more) as installation:
        samples = Samples()
        watch = _Watch(installation, samples, count)
        outcome = closed_loop(installation.address, talk, CLIENTS, count=count, tick=watch)
        samples.add(outcome.talks, installation.usage())
    progress("")
    report.add("images", "images/s", outcome.per_second)
    report.add(f"failed of {outcome.talks}", "answers", outcome.failure_count, outcome.why())
    for role in samples.roles():
        _conclude(report, samples, role)
    report.notes.append(
        # PSS and USS change with other processes that map the same libraries.
        f"growth, of resident memory (RSS): the median of the last {_WINDOW:.0%} of the images "
        f"less that of the {_WINDOW:.0%} after the first {_WARM:.0%}; of open files, which come "
        "and go with the jobs in hand, the least of both; the cleaner ran every "
        f"{_ENVIRONMENT['SCAI_CLEANINTERVAL']} s and kept sessions for "
        f"{_ENVIRONMENT['SCAI_KEEPTIMEPERIOD']} s"
    )
    return report


class _Watch:
    """A callback after each image, which takes samples and prints progress."""

    def __init__(self, installation: Site, samples: Samples, count: int) -> None:
        self._installation = installation
        self._samples = samples
        self._count = count
        self._every = max(1, count // _SAMPLES)
        self._last_report = time.monotonic()
        self._began = self._last_report

    def __call__(self, images: int) -> None:
        if images % self._every:
            return
        self._samples.add(images, self._installation.usage())
        now = time.monotonic()
        if now - self._last_report >= 5:
            self._last_report = now
            left = (now - self._began) / images * (self._count - images)
            progress(f"{images:,} of {self._count:,} images, {left / 60:.0f} min left")


def _conclude(report: Report, samples: Samples, role: str) -> None:
    sizes: dict[str, Callable[[Usage], float]] = {
        "PSS": lambda usage: usage.pss,
        "USS": lambda usage: usage.uss,
        "RSS": lambda usage: usage.rss,
    }
    for name, size in sizes.items():
        report.add(f"{role}, {name} at the end", "MB", samples.curve(role, size)[-1])
    resident = sizes["RSS"]
    report.add(f"{role}, RSS slope", f"MB per {_PER:,} images", samples.slope(role, resident))
    report.add(f"{role}, threads, growth", "", samples.growth(role, lambda usage: usage.threads))
    report.ratio(f"{role}, growth, MB", samples.growth(role, resident), *_GROWTH_MB, at_most=True)
    files = samples.leak(role, lambda usage: usage.descriptors)
    report.ratio(f"{role}, growth, open files", files, *_GROWTH_FILES, at_most=True)
    for name, unit, value in (
        ("", "memory (RSS), MB", resident),
        (" open files", "open files", lambda usage: float(usage.descriptors)),
    ):
        report.series[f"{role}{name}"] = {
            "x": samples.images,
            "y": samples.curve(role, value),
            "xlabel": "images",
            "ylabel": unit,
        }
