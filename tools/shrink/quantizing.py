"""The steps of `scai quantize`: convert, evaluate, describe, install."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.recognition.recognizer import Recognizer
from tools.common import cards, model_choice
from tools.common.errors import UserError
from tools.common.files import publish
from tools.common.folders import whole_folder
from tools.datasets import data_sets
from tools.datasets.files import Files
from tools.datasets.samples import DataSet
from tools.evaluate.evaluation import without_missing_classes
from tools.models.files import sha256_of
from tools.models.installation import InstallPlan
from tools.shrink import (
    calibration,
    card_and_section,
    comparison,
    fold,
    lite,
    source_model,
    sources,
    trim,
)
from tools.shrink.calibration import Calibration
from tools.shrink.comparison import Row
from tools.shrink.options import SHORT, QuantizeOptions, check, check_source, installation_of
from tools.shrink.source_model import SourceModel
from tools.shrink.sources import Frozen


@dataclass(frozen=True)
class Inputs:
    """The network and the pictures. `size`: height, width, channels of the network's input.

    `data`: pictures that all models answer, with true labels if `labelled`; None without pictures.
    """

    source: SourceModel
    network: Frozen
    size: tuple[int, int, int]
    ranges: Calibration | None
    data: DataSet | None
    labelled: bool


def quantize(options: QuantizeOptions, command: str) -> None:
    """Convert, evaluate, describe and install the models that a command line asks for.

    command: the command line, for the model card. --out appears complete or not at all.
    Raises UserError, ScaiError, OSError.
    """
    check(options)
    source = source_model.find(
        options.model, SHORT.get(options.kind or "", ""), options.card_fields()
    )
    check_source(options, source)
    for remark in source.remarks:
        click.echo(remark)
    with ExitStack() as stack:
        inputs = _read_inputs(options, source, stack)
        folder = stack.enter_context(_folder(options))
        names = _convert(options, inputs, folder)
        models = {"before": source.card}
        models |= {mode: _card_of(source.card, folder / name) for mode, name in names.items()}
        rows = comparison.rows(models, inputs.data, inputs.labelled, options.batch)
        _describe(options, inputs, rows, folder, command)
        if options.is_file:
            publish(options.out, (folder / names[options.modes_to_make[0]]).read_bytes())
    click.echo("\n".join(["", *comparison.lines(rows), *comparison.warnings(rows), ""]))
    click.echo(f"wrote {options.out}")
    _finish(options, source, names)


def _read_inputs(options: QuantizeOptions, source: SourceModel, stack: ExitStack) -> Inputs:
    """Read the network and the pictures."""
    card = source.card
    network = sources.read(source.path, card.input_layer, card.output_layer)
    if card.kind == DETECTION and not (card.input_height and card.input_width):
        if len(network.shape) != 4 or None in network.shape[1:3]:
            raise UserError(
                f"{source.path}: it takes any size, but a .tflite has a fixed one; name "
                "--input_height and --input_width."
            )
    pictures = _files(options.calibration, stack)
    labelled = _labelled_data(options, card, stack)
    recognizer = model_choice.build(card, 1)
    try:
        height, width, channels = recognizer.prepare(np.zeros((64, 64, 3), np.uint8)).shape
        ranges = _calibrate(options, pictures, recognizer) if pictures else None
    finally:
        recognizer.close()
    data = labelled
    if data is None and ranges and pictures and card.kind == CLASSIFICATION:
        data = calibration.as_data(ranges, card.kind, pictures.read)
    network = fold.fold(trim.trim(network))
    size = (height, width, channels)
    return Inputs(source, network, size, ranges, data, labelled is not None)


def _files(path: Path | None, stack: ExitStack) -> Files | None:
    return stack.enter_context(Files(path)) if path else None


def _labelled_data(options: QuantizeOptions, card: ModelCard, stack: ExitStack) -> DataSet | None:
    files = _files(options.data, stack)
    if files is None:
        return None
    dataset = data_sets.load(files, card.kind, options.part)
    dataset = without_missing_classes(dataset, {options.model: card}, True)
    return dataset.limited(options.limit) if options.limit else dataset


def _calibrate(options: QuantizeOptions, files: Files, recognizer: Recognizer) -> Calibration:
    pictures = calibration.read(files, recognizer, options.calibration_limit)
    for name, why in pictures.broken.items():
        click.echo(f"left out: {name}: {why}", err=True)
    if "int8" in options.modes_to_make and len(pictures.inputs) < calibration.FEW:
        many = f"{len(pictures.inputs)} pictures"
        click.echo(f"only {many} to calibrate with; use a hundred or more", err=True)
    return pictures


@contextmanager
def _folder(options: QuantizeOptions) -> Iterator[Path]:
    """Make the folder to write to: one that becomes --out, or a temporary one."""
    if options.is_file:
        with tempfile.TemporaryDirectory(prefix="scai-") as folder:
            yield Path(folder)
    else:
        with whole_folder(options.out) as part:
            yield part


def _convert(options: QuantizeOptions, inputs: Inputs, folder: Path) -> dict[str, str]:
    """Write the .tflite files and the labels; returns mode -> name within the folder."""
    card = inputs.source.card
    samples = inputs.ranges.samples if inputs.ranges else None
    names = {}
    make = functools.partial(
        lite.convert, inputs.network, size=inputs.size[:2], detector=card.kind == DETECTION
    )
    for mode in options.modes_to_make:
        click.echo(f"making {mode}", err=True)
        try:
            data = make(mode, samples, options.io)
        except UserError:
            if mode != "int8" or options.io == "uint8":
                raise
            data = make(mode, samples, strict=False)
            click.echo("int8: operations without an int8 form stay float32", err=True)
        names[mode] = f"{card.name}-{mode}.tflite"
        (folder / names[mode]).write_bytes(data)
    if card.labels is not None:
        shutil.copyfile(card.labels, folder / _labels_name(card.labels))
    return names


def _labels_name(labels: Path) -> str:
    """Return the name of the copy: labels, with the suffix that states its format."""
    return f"labels{labels.suffix or '.txt'}"


def _card_of(card: ModelCard, path: Path) -> ModelCard:
    """Return the card of a converted file: the source's, but with its own layers and sizes."""
    return replace(
        card,
        graph=path,
        engine="litert",
        input_layer="",
        output_layer="",
        input_height=None,
        input_width=None,
    )


def _describe(
    options: QuantizeOptions, inputs: Inputs, rows: list[Row], folder: Path, command: str
) -> None:
    """Write the plot and the model card into the folder."""
    comparison.plot(rows, folder / "comparison.png")
    path = inputs.source.path
    digest = f" (sha256 {sha256_of(path)})" if path.is_file() else ""
    facts = [f"made from {path.name}{digest}"]
    if inputs.ranges and options.calibration and "int8" in options.modes_to_make:
        source = cards.public_path(options.calibration)
        facts.append(f"calibrated with {len(inputs.ranges.inputs)} pictures of {source}")
    if inputs.data and inputs.labelled and options.data:
        part = f", part {inputs.data.part}" if inputs.data.part else ""
        facts.append(
            f"evaluated on {len(inputs.data)} pictures of {cards.public_path(options.data)}{part}"
        )
    name = options.install_as or (inputs.source.card.name if options.is_file else options.out.name)
    listed = sorted(file.name for file in folder.iterdir())
    card = card_and_section.card(
        name,
        inputs.source.card,
        inputs.size,
        options.modes_to_make,
        options.io,
        rows,
        "; ".join(facts),
        command,
        cards.file_facts(folder, listed),
    )
    cards.write(card, folder)


def _finish(options: QuantizeOptions, source: SourceModel, names: dict[str, str]) -> None:
    """Install the model, or print the sections for usr/*.config."""
    card = source.card
    files = {m: options.out if options.is_file else options.out / name for m, name in names.items()}
    labels = card.labels
    if labels is not None and not options.is_file:
        labels = options.out / _labels_name(labels)
    if options.install_as:
        [(mode, path)] = files.items()
        remark = f"{mode} of {source.path.name}, made by scai quantize."
        plan = InstallPlan(options.install_as, card.kind, path, labels, source.keys, (remark,))
        installation_of(options, card.kind).install(plan, force=options.force)
        click.echo(f"installed as [{options.install_as}]")
        return
    click.echo(f"\nFor usr/{card.kind}.config:")
    for mode, path in files.items():
        lines = card_and_section.section(
            f"{card.name}-{mode}", card.kind, source.keys, path, labels
        )
        click.echo(f"\n{lines}")
