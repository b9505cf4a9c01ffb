"""The work of `scai quantize`: convert, judge, describe, install."""

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
from tools.common import cards as model_cards
from tools.common import model_choice
from tools.common.errors import UserError
from tools.common.files import publish
from tools.common.folders import whole_folder
from tools.datasets import layouts
from tools.datasets.files import Files
from tools.datasets.samples import DataSet
from tools.evaluate import command
from tools.models.files import sha256_of
from tools.models.shelf import Plan
from tools.shrink import about, calibration, comparison, fold, lite, sources, subject, trim
from tools.shrink.calibration import Calibration
from tools.shrink.comparison import Row
from tools.shrink.sources import Frozen
from tools.shrink.subject import Subject
from tools.shrink.wish import SHORT, Wish, check, check_found, shelf


@dataclass(frozen=True)
class Means:
    """What the work is done with. `size`: height, width, channels of the input.

    `data`: pictures that all models answer, with a truth if `labelled`; None without pictures.
    """

    subject: Subject
    network: Frozen
    size: tuple[int, int, int]
    ranges: Calibration | None
    data: DataSet | None
    labelled: bool


def quantize(wish: Wish) -> None:
    """Make, judge, describe and install what a command line asks for.

    All of --out appears or nothing does. Raises UserError, ScaiError, OSError.
    """
    check(wish)
    found = subject.find(wish.model, SHORT.get(wish.kind or "", ""), wish.of_card())
    check_found(wish, found)
    for remark in found.remarks:
        click.echo(remark)
    with ExitStack() as stack:
        means = _means(wish, found, stack)
        folder = stack.enter_context(_folder(wish))
        names = _converted(wish, means, folder)
        cards = {"before": found.card}
        cards |= {mode: _card_of(found.card, folder / name) for mode, name in names.items()}
        rows = comparison.rows(cards, means.data, means.labelled, wish.batch)
        _describe(wish, means, rows, folder)
        if wish.is_file:
            publish(wish.out, (folder / names[wish.wanted[0]]).read_bytes())
    click.echo("\n".join(["", *comparison.lines(rows), *comparison.warnings(rows), ""]))
    click.echo(f"wrote {wish.out}")
    _finish(wish, found, names)


def _means(wish: Wish, found: Subject, stack: ExitStack) -> Means:
    """Read the network and the pictures."""
    card = found.card
    network = sources.read(found.path, card.input_layer, card.output_layer)
    if card.kind == DETECTION and not (card.input_height and card.input_width):
        if len(network.shape) != 4 or None in network.shape[1:3]:
            raise UserError(
                f"{found.path}: it takes any size, and a .tflite is made for one; name "
                "--input_height and --input_width."
            )
    pictures = _files(wish.calibration, stack)
    labelled = _labelled(wish, card, stack)
    recognizer = model_choice.build(card, 1)
    try:
        height, width, channels = recognizer.prepare(np.zeros((64, 64, 3), np.uint8)).shape
        ranges = _calibrated(wish, pictures, recognizer) if pictures else None
    finally:
        recognizer.close()
    data = labelled
    if data is None and ranges and pictures and card.kind == CLASSIFICATION:
        data = calibration.as_data(ranges, card.kind, pictures.read)
    network = fold.folded(trim.trimmed(network))
    size = (height, width, channels)
    return Means(found, network, size, ranges, data, labelled is not None)


def _files(path: Path | None, stack: ExitStack) -> Files | None:
    return stack.enter_context(Files(path)) if path else None


def _labelled(wish: Wish, card: ModelCard, stack: ExitStack) -> DataSet | None:
    files = _files(wish.data, stack)
    if files is None:
        return None
    found = layouts.load(files, card.kind, wish.part)
    found = command.fitting(found, {wish.model: card}, True)
    return found.limited(wish.limit) if wish.limit else found


def _calibrated(wish: Wish, files: Files, recognizer: Recognizer) -> Calibration:
    found = calibration.read(files, recognizer, wish.calibration_limit)
    for name, why in found.broken.items():
        click.echo(f"left out: {name}: {why}", err=True)
    if "int8" in wish.wanted and len(found.inputs) < calibration.FEW:
        many = f"{len(found.inputs)} pictures"
        click.echo(f"only {many} to calibrate with; a hundred or more are better", err=True)
    return found


@contextmanager
def _folder(wish: Wish) -> Iterator[Path]:
    """Where all is written: a folder that becomes --out whole, or one that goes again."""
    if wish.is_file:
        with tempfile.TemporaryDirectory(prefix="scai-") as folder:
            yield Path(folder)
    else:
        with whole_folder(wish.out) as part:
            yield part


def _converted(wish: Wish, means: Means, folder: Path) -> dict[str, str]:
    """Write the .tflite files and the labels; mode -> name within the folder."""
    card = means.subject.card
    samples = means.ranges.samples if means.ranges else None
    names = {}
    make = functools.partial(
        lite.convert, means.network, size=means.size[:2], detector=card.kind == DETECTION
    )
    for mode in wish.wanted:
        click.echo(f"making {mode}", err=True)
        try:
            data = make(mode, samples, wish.io)
        except UserError:
            if mode != "int8" or wish.io == "uint8":
                raise
            data = make(mode, samples, strict=False)
            click.echo("int8: operations without a form for it stay float32", err=True)
        names[mode] = f"{card.name}-{mode}.tflite"
        (folder / names[mode]).write_bytes(data)
    if card.labels is not None:
        shutil.copyfile(card.labels, folder / _labels_name(card.labels))
    return names


def _labels_name(labels: Path) -> str:
    """The copy is called labels, but keeps the suffix that tells its format."""
    return f"labels{labels.suffix or '.txt'}"


def _card_of(card: ModelCard, path: Path) -> ModelCard:
    """The card of a converted file: as the source's, but with ends and sizes of its own."""
    return replace(
        card,
        graph=path,
        engine="litert",
        input_layer="",
        output_layer="",
        input_height=None,
        input_width=None,
    )


def _describe(wish: Wish, means: Means, rows: list[Row], folder: Path) -> None:
    """Plot and card into the folder."""
    comparison.plot(rows, folder / "comparison.png")
    path = means.subject.path
    digest = f" (sha256 {sha256_of(path)})" if path.is_file() else ""
    told = [f"made from {path.name}{digest}"]
    if means.ranges and wish.calibration and "int8" in wish.wanted:
        shown = model_cards.shown(wish.calibration)
        told.append(f"calibrated with {len(means.ranges.inputs)} pictures of {shown}")
    if means.data and means.labelled and wish.data:
        part = f", part {means.data.part}" if means.data.part else ""
        told.append(f"judged on {len(means.data)} pictures of {model_cards.shown(wish.data)}{part}")
    name = wish.install_as or (means.subject.card.name if wish.is_file else wish.out.name)
    listed = sorted(file.name for file in folder.iterdir())
    card = about.card(
        name,
        means.subject.card,
        means.size,
        wish.wanted,
        wish.io,
        rows,
        "; ".join(told),
        model_cards.described(folder, listed),
    )
    model_cards.write(card, folder)


def _finish(wish: Wish, found: Subject, names: dict[str, str]) -> None:
    """Install what was written, or show the lines that would."""
    card = found.card
    files = {m: wish.out if wish.is_file else wish.out / name for m, name in names.items()}
    labels = card.labels
    if labels is not None and not wish.is_file:
        labels = wish.out / _labels_name(labels)
    if wish.install_as:
        [(mode, path)] = files.items()
        remark = f"{mode} of {found.path.name}, made by scai quantize."
        plan = Plan(wish.install_as, card.kind, path, labels, found.keys, (remark,))
        shelf(wish, card.kind).install(plan, force=wish.force)
        click.echo(f"installed as [{wish.install_as}]")
        return
    click.echo(f"\nFor usr/{card.kind}.config:")
    for mode, path in files.items():
        lines = about.section(f"{card.name}-{mode}", card.kind, found.keys, path, labels)
        click.echo(f"\n{lines}")
