"""The `scai optimize` command: fewer operations, the same answers.

scai optimize mobilenet.pb --out fast.pb
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from scai.cli.text import table
from tools.common.errors import UserError, one_sentence
from tools.common.files import publish
from tools.common.quiet import quiet

if TYPE_CHECKING:
    from tools.shrink.sources import Frozen

# Largest difference as a share of an output's largest number.
TOLERANCE = {"float32": 1e-4, "float16": 5e-2}
SMALL = 256  # numbers; see tools.network_files.export


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Output file, a .pb.")
@click.option("--input_layer", default="", help="Name of the input operation (default: guessed).")
@click.option(
    "--output_layer",
    default="",
    help="Names of the output operations, separated by commas (default: guessed).",
)
@click.option(
    "--cast",
    type=click.Choice(list(TOLERANCE)),
    help="Type that weights are stored in (default: as in MODEL).",
)
@click.option("--tflite", is_flag=True, help="Also write a .tflite beside --out.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, min_open=True),
    help="Largest relative difference of outputs (default: 1e-4, for float16 5e-2).",
)
@click.option("--force", is_flag=True, help="Replace an existing --out.")
def main(
    model: Path,
    out: Path,
    input_layer: str,
    output_layer: str,
    cast: str | None,
    tflite: bool,
    tolerance: float | None,
    force: bool,
) -> None:
    """Simplify MODEL, check that its answers stay the same, and write it as a frozen .pb.

    MODEL is a frozen .pb, the .meta of a TF1 checkpoint, a SavedModel folder or a .keras file.
    """
    with one_sentence(stopped="stopped; nothing was written."):
        targets = _targets(model, out, tflite, force)
        with quiet():
            done = optimize(model, input_layer, output_layer, cast, tolerance, tflite)
            rows = comparison_rows(done)
        for path, data in zip(targets, (done.graph, done.lite), strict=False):
            publish(path, data)
        click.echo("\n".join([*table(rows), "", *done.notes]))
        for path in targets:
            click.echo(f"wrote {path} ({path.stat().st_size:,} bytes)")


@dataclass(frozen=True)
class OptimizedModel:
    """The network before and after, and the contents of the files to write.

    `lite` is empty without --tflite; differences and `limit` are relative to the largest output.
    """

    before: Frozen
    after: Frozen
    graph: bytes
    lite: bytes
    bytes_before: int
    difference: float
    lite_difference: float
    limit: float
    example: np.ndarray
    notes: tuple[str, ...]


def optimize(
    path: Path,
    input_layer: str = "",
    output_layer: str = "",
    cast: str | None = None,
    tolerance: float | None = None,
    tflite: bool = False,
) -> OptimizedModel:
    """Optimise the network of a file. Raises UserError where its answers would change."""
    from tools.shrink import check, fold, lite, sources, trim

    before = sources.read(path, input_layer, output_layer)
    inputs = check.examples(before, *_range(path))
    plain = trim.trim(before)
    expected, notes = _reference(path, before, plain, inputs)
    after = fold.fold(plain)
    cast = cast or ("float16" if _is_half(before) else "float32")
    if cast == "float16":
        after = with_half_weights(after)
    limit = tolerance or TOLERANCE[cast]
    difference = check.difference(expected, check.answers(after, inputs))
    _check_difference(path, difference, limit, ".pb")
    small, other = b"", 0.0
    if tflite:
        small = lite.convert(after, "float16" if cast == "float16" else "float32")
        other = check.difference(expected, lite.answers(small, inputs, after.outputs))
        _check_difference(path, other, limit, ".tflite")
    data = after.definition.SerializeToString()
    return OptimizedModel(
        before, after, data, small, _size(path), difference, other, limit, inputs[0], tuple(notes)
    )


def _targets(model: Path, out: Path, tflite: bool, force: bool) -> list[Path]:
    """List the files to write. Raises UserError for one that may not be written."""
    if out.suffix.lower() != ".pb":
        raise UserError(f"--out {out}: expected a name that ends in .pb.")
    targets = [out, out.with_suffix(".tflite")] if tflite else [out]
    for path in targets:
        if path.resolve() == model.resolve():
            raise UserError(f"--out {out}: expected another file than the model itself.")
        if path.exists() and not force:
            raise UserError(f"{path}: exists already; --force replaces it.")
    return targets


def _range(path: Path) -> tuple[float, float]:
    """Guess the mean and standard deviation of the input, in pixel values 0..255."""
    from tools.list_ops.guess import guess
    from tools.network_files import formats

    if path.suffix.lower() not in (".pb", ".keras", ""):
        return 127.5, 127.5
    keys = guess(formats.read(path, shapes=False), path.name).keys
    guesses = [keys[key].value if key in keys else "" for key in ("INPUT_MEAN", "INPUT_STD")]
    return float(guesses[0] or 127.5), float(guesses[1] or 127.5)


def _reference(
    path: Path, before: Frozen, plain: Frozen, inputs: list[np.ndarray]
) -> tuple[list[list[np.ndarray]], list[str]]:
    """Return the outputs to compare with, and remarks on them for the user."""
    from tools.shrink import check

    try:
        expected = check.answers(before, inputs)
        again = check.answers(before, inputs)
        if check.difference(expected, again) < TOLERANCE["float32"]:
            return expected, []
        expected = check.answers(plain, inputs)
        again = check.answers(plain, inputs)
    except Exception as error:
        from scai.engines.base import one_line

        # TensorFlow has some twenty classes of errors for a graph that does not run.
        raise UserError(f"{path}: it does not run: {one_line(error, 160)}.") from error
    if check.difference(expected, again) >= TOLERANCE["float32"]:
        raise UserError(f"{path}: its answers to the same picture differ from call to call.")
    return expected, ["MODEL has an active Dropout; compared with MODEL without Dropout."]


def _is_half(model: Frozen) -> bool:
    """Tell whether the weights are stored as float16."""
    return any(
        node.op == "Const"
        and node.attr["dtype"].type == 19
        and node.attr["value"].tensor.ByteSize() > 2 * SMALL
        for node in model.definition.node
    )


def with_half_weights(model: Frozen) -> Frozen:
    """Return the network with its large weights as float16."""
    from tools.network_files import export

    return replace(model, definition=export.halved(model.definition))


def _check_difference(path: Path, difference: float, limit: float, what: str) -> None:
    if not difference <= limit:
        hint = "" if limit < TOLERANCE["float16"] else "; try --cast float32"
        raise UserError(
            f"{path}: the {what} made from it would answer differently (relative difference "
            f"{difference:.1e}, allowed is {limit:.0e}); nothing was written{hint}."
        )


def _size(path: Path) -> int:
    """Return the bytes of a file, of all files in a folder, or of a checkpoint's files."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    stem = path.with_suffix("").name if path.suffix in (".meta", ".index") else path.name
    near = [p for p in path.parent.glob(f"{stem}.*") if p.suffix not in (".pb", ".keras")]
    files = [path] if path.is_file() and path.suffix in (".pb", ".keras") else near
    return sum(file.stat().st_size for file in files)


def comparison_rows(done: OptimizedModel) -> list[list[str]]:
    """Measure both networks; rows of a table: operations, bytes, milliseconds, differences."""
    from tools.shrink import check, lite, trim

    turns = 2 * len(check.ENGINES) * check.ROUNDS
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=turns, label="measuring", file=sys.stderr, hidden=hidden) as bar:
        both = check.milliseconds([done.before, done.after], done.example, bar.update)
    rows = [["", "before", "after"]]
    sizes = [sum(trim.counts(m.definition).values()) for m in (done.before, done.after)]
    consts = [trim.counts(m.definition)["Const"] for m in (done.before, done.after)]
    rows.append(["operations", *map(str, sizes)])
    rows.append(["  constants", *map(str, consts)])
    rows.append(["bytes", f"{done.bytes_before:,}", f"{len(done.graph):,}"])
    for engine in both[0]:
        values = [times[engine] for times in both]
        cells = ["-" if value is None else f"{value:.2f}" for value in values]
        rows.append([f"ms per call, {engine}, one core", *cells])
    rows.append(["largest difference", "", f"{done.difference:.1e}"])
    if done.lite:
        took = lite.milliseconds(done.lite, done.example)
        rows.append([".tflite: bytes", "", f"{len(done.lite):,}"])
        rows.append([".tflite: ms per call, LiteRT, one core", "", f"{took:.2f}"])
        rows.append([".tflite: largest difference", "", f"{done.lite_difference:.1e}"])
    rows.append(["difference allowed", "", f"{done.limit:.0e}"])
    return rows


if __name__ == "__main__":
    sys.exit(main())
