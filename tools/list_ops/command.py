"""The `scai list-ops` command: what a model file holds, and a section of usr/*.config for it.

scai list-ops mobilenet.pb
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from scai.errors import ConfigError
from scai.models import labels
from scai.models.cards import CLASSIFICATION, DETECTION
from tools.list_ops.guess import NEITHER, Verdict, guess, shape_text
from tools.network_files import formats
from tools.network_files.facts import NetworkFacts, Tensor

MAX_LABEL_BYTES = 1_000_000
_KIND_NAMES = {
    CLASSIFICATION: "a classifier",
    DETECTION: "a detector",
    NEITHER: "neither classifier nor detector",
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="List each operation with its shape.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(model: Path, every: bool, as_json: bool) -> None:
    """List the inputs, outputs and operations of MODEL, and guess its section of usr/*.config.

    MODEL is a frozen .pb, a SavedModel folder, a .tflite, .keras or .onnx file.
    """
    facts = formats.read(model)
    verdict = guess(facts, model.name)
    lines = config_lines(model, verdict)
    if as_json:
        click.echo(json.dumps(as_dict(facts, verdict, lines, every), ensure_ascii=False, indent=1))
        return
    click.echo("\n".join([*facts_lines(model, facts, every), "", *verdict_lines(verdict)]))
    if lines:
        click.echo(f"\nFor usr/{verdict.kind.value}.config:\n")
        click.echo("\n".join(lines))


def facts_lines(model: Path, facts: NetworkFacts, every: bool) -> list[str]:
    """Format the facts of a model: format, inputs, outputs and operations, as lines of text."""
    out = [f"{model.name}: {facts.format}, {len(facts.operations)} operations"]
    for title, tensors in (("Inputs", facts.inputs), ("Outputs", facts.outputs)):
        out += ["", title, *(f"  {tensor_text(t)}" for t in tensors)]
        if not tensors:
            out.append("  none")
    out += ["", "Operations"]
    if every:
        out += [
            f"  {op.name}  {op.type}  {shape_text(op.shape)}".rstrip() for op in facts.operations
        ]
    else:
        out += [f"  {count:6d}  {kind}" for kind, count in facts.by_type()]
    return out


def tensor_text(tensor: Tensor) -> str:
    """Format one input or output as a line."""
    shape = shape_text(tensor.shape) or "of unknown shape"
    stored = f", scale {tensor.scale:g}, zero point {tensor.zero_point}" if tensor.scale else ""
    return f"{tensor.name}  {tensor.dtype} {shape}{stored}"


def verdict_lines(verdict: Verdict) -> list[str]:
    """Format the kind and each key: its value, its certainty and the reason."""
    classes = f" of {verdict.classes} classes" if verdict.classes else ""
    kind = verdict.kind
    out = [f"This is {_KIND_NAMES[kind.value]}{classes} ({kind.sure}: {kind.why})"]
    for key, entry in verdict.keys.items():
        out.append(f"  {key:<13} {entry.value or 'leave out'}  ({entry.sure}: {entry.why})")
    return out


def config_lines(model: Path, verdict: Verdict) -> list[str]:
    """Write a section for usr/*.config; no lines for a model of no kind of recognition."""
    if verdict.kind.value == NEITHER:
        return []
    section = model.parent.name if model.name == "saved_model.pb" else model.stem
    graph, names = (
        ("PATH_TO_CKPT", "PATH_TO_LABELS")
        if verdict.kind.value == DETECTION
        else ("GRAPH", "LABELS")
    )
    lines = [f"[{section}]", f"{graph} = {model}"]
    file = label_file(model, verdict.classes)
    if file is None:
        lines.append("# One label a line; no such file lies beside the model.")
    lines.append(f"{names} = {file or 'labels.txt'}")
    return lines + [f"{key} = {g.value}" for key, g in verdict.keys.items() if g.value]


def label_file(model: Path, classes: int) -> Path | None:
    """Find the file beside the model with a label for each class, or named labels.txt."""
    candidates = []
    for path in [*sorted(model.parent.glob("*.txt")), *sorted(model.parent.glob("*.pbtxt"))]:
        if path.stat().st_size > MAX_LABEL_BYTES:
            continue
        try:
            names = labels.read(path)
        except ConfigError:
            continue
        if len(names) == classes if classes else path.name == "labels.txt":
            candidates.append(path)
    # Of several, take the one that shares the longest prefix with the model's name.
    return max(candidates, key=lambda path: _shared_start(path.name, model.name), default=None)


def _shared_start(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))


def as_dict(
    facts: NetworkFacts, verdict: Verdict, lines: list[str], every: bool = False
) -> dict[str, Any]:
    """Return the facts and guesses as JSON-ready values."""
    values = {
        "format": facts.format,
        "inputs": [asdict(t) for t in facts.inputs],
        "outputs": [asdict(t) for t in facts.outputs],
        "operations": dict(facts.by_type()),
        "kind": asdict(verdict.kind),
        "classes": verdict.classes,
        "guesses": {key: asdict(entry) for key, entry in verdict.keys.items()},
        "config": lines,
    }
    if every:
        values["all"] = [asdict(op) for op in facts.operations]
    return values


if __name__ == "__main__":
    sys.exit(main())
