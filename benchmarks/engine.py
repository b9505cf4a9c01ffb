"""Images a second of each engine, and of the one that SCAI chooses, against TensorFlow.

Every contender has a process of its own that stays alive over the rounds; one measures at a time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks._models import mobilenet
from benchmarks.children.child import Child
from benchmarks.harness import interleave, progress
from benchmarks.report import Report
from scai import plugins
from scai.models.cards import AUTO, CLASSIFICATION, DETECTION, ModelCard, load_card
from scai.recognition.loading import file_kind
from scai.settings import ROOT

BATCHES = (1, 8)
PLAIN = "plain TensorFlow"
# Batch -> bar and aim of auto, as a multiple of plain TensorFlow.
PROMISES = {1: (3.0, 4.0), 8: (2.5, 3.5)}
_FAKE = "fake"
_CONFIGS = {
    CLASSIFICATION: ROOT / "usr" / "image_classification.config",
    DETECTION: ROOT / "usr" / "object_detection.config",
}
_SECTIONS = {CLASSIFICATION: ("objects", "digits"), DETECTION: ("digit-detector", "blood-cells")}
_MOBILENET = "mobilenet"
MODELS = (_MOBILENET, *(section for sections in _SECTIONS.values() for section in sections))
OPTIONS = [
    click.Option(
        ["--model"],
        type=click.Choice(MODELS),
        multiple=True,
        help="Measure only this one. Repeatable.",
    )
]


@dataclass
class Model:
    """One model in one or more files, and the question that loads it for each contender."""

    name: str
    contenders: dict[str, dict[str, Any]]
    promises: Mapping[int, tuple[float, float]] = field(default_factory=dict)


def run(rounds: int, quick: bool, out: Path, *, model: tuple[str, ...] = ()) -> Report:
    """Run the benchmark; quick: one model, by default MobileNetV2, with fewer contenders."""
    report = Report("engine", "Engines against plain TensorFlow, two batch sizes")
    names = model or (MODELS[:1] if quick else MODELS)
    models = [_mobilenet(quick)] if _MOBILENET in names else []
    models += _bundled_models(names)
    out.mkdir(parents=True, exist_ok=True)
    # Earlier speed records may no longer hold, so auto starts without any.
    with tempfile.TemporaryDirectory(prefix="engine-", dir=out) as records:
        for one in models:
            _measure(report, one, rounds, 0.5 if quick else 2.0, records)
    for one in models:
        for batch in BATCHES:
            bar, aim = one.promises.get(batch, (None, None))
            for name in one.contenders:
                if name.startswith(AUTO):
                    _ratio(report, one.name, name, batch, bar, aim)
    return report


def _mobilenet(quick: bool) -> Model:
    saved_model, lite = mobilenet()
    files = {"SavedModel": saved_model, ".tflite": lite}
    contenders: dict[str, dict[str, Any]] = {PLAIN: {"engine": "plain", "graph": str(saved_model)}}
    for file, graph in files.items():
        if quick and graph is lite:
            continue
        names = [AUTO] if quick else [AUTO, *_engines(graph)]
        for name in names:
            contenders[f"{name} on {file}"] = {"engine": name, "graph": str(graph)}
    return Model("MobileNetV2 224", contenders, PROMISES)


def _bundled_models(names: Collection[str]) -> list[Model]:
    """Models that come with SCAI.

    `auto` and every engine run the configured file; `auto` and plain TensorFlow run the frozen
    graph beside it.
    """
    models = []
    for kind, sections in _SECTIONS.items():
        for section in (each for each in sections if each in names):
            card = load_card(_CONFIGS[kind], section, kind)
            if card.graph is None:
                continue
            contenders: dict[str, dict[str, Any]] = {}
            graph = next(card.graph.parent.glob("*.pb"), None)
            if graph is not None:
                contenders[PLAIN] = {"engine": "plain", "graph": str(graph)}
                contenders[f"{AUTO} on .pb"] = {"engine": AUTO, "graph": str(graph)}
            for name in (AUTO, *_engines(card.graph)):
                contenders[f"{name} on {card.graph.suffix}"] = {**_question(card), "engine": name}
            models.append(Model(section, contenders))
    return models


def _question(card: ModelCard) -> dict[str, Any]:
    return {"config": str(card.config), "section": card.name, "kind": card.kind}


def _engines(graph: Path) -> list[str]:
    """List the installed engines that read this format."""
    names = []
    for name in plugins.names("engines"):
        module = plugins.load("engines", name)
        if name != _FAKE and file_kind(graph) in module.SUFFIXES and module.available():
            names.append(name)
    return names


def _measure(report: Report, model: Model, rounds: int, seconds: float, records: str) -> None:
    children: dict[str, Child] = {}
    try:
        for name, question in model.contenders.items():
            progress(f"{model.name}: loading {name}")
            load = {**question, "name": name, "records": records}
            try:
                children[name] = Child("benchmarks.children.engine", load)
            except click.ClickException as error:
                report.notes.append(f"{model.name}: {error.message}")
        for name, child in children.items():
            if name.startswith(AUTO):
                seconds_to_load = f"{child.facts['took']:.1f} s to measure and load"
                report.notes.append(f"{model.name}: {name} took {seconds_to_load}")
        for batch in BATCHES:
            question = {"batch": batch, "seconds": seconds}
            calls = {
                f"{model.name}, batch {batch}: {name}": partial(child.ask, question)
                for name, child in children.items()
            }
            for name, values in interleave(rounds, calls).items():
                note = children[name.partition(": ")[2]].facts["is"]
                for value in values:
                    report.add(name, "images/s", value["rate"], note)
                    report.add(name, "ms a call (p50)", value["p50"])
    finally:
        for child in children.values():
            child.close()


def _ratio(
    report: Report, model: str, name: str, batch: int, bar: float | None, aim: float | None
) -> None:
    """Report the ratio of `name` to plain TensorFlow, if both were measured."""
    place = f"{model}, batch {batch}"
    try:
        ours, plain = (report.row(f"{place}: {each}") for each in (name, PLAIN))
    except KeyError:
        return
    note = f"the best rounds of both: {ours.high / plain.high:.2f}"
    report.ratio(f"{place}: {name} / {PLAIN}", ours.median / plain.median, bar, aim, note=note)
