"""The texts about quantised models: the model card, and the sections for usr/*.config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from scai.models.cards import DETECTION, ModelCard
from tools.common import cards, model_choice
from tools.shrink.comparison import Row, same

MEANING = {
    "float32": "weights and arithmetic of float32, nothing quantised",
    "dynamic": "weights of int8, ranges of activations measured for each picture",
    "float16": "weights of float16, arithmetic of float32",
    "int8": "weights of int8 by channel, activations of int8 with fixed ranges; "
    "a detector's last layers and all that follows stay float32",
}


def section(name: str, kind: str, keys: Mapping[str, str], graph: Path, labels: Path | None) -> str:
    """Write the section of usr/*.config that serves a file."""
    files = ("PATH_TO_CKPT", "PATH_TO_LABELS") if kind == DETECTION else ("GRAPH", "LABELS")
    values = {files[0]: graph, files[1]: labels or "labels.txt", **keys}
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items())])


def card(
    name: str,
    source: ModelCard,
    size: tuple[int, int, int],
    modes: Sequence[str],
    io: str,
    rows: Sequence[Row],
    data: str,
    command: str,
    files: Mapping[str, Mapping[str, object]],
) -> cards.Card:
    """Describe all models of a folder.

    `size`: height, width, channels of the input. `data`: pictures of calibration and evaluation.
    `command`: the command line that made them.
    """
    assert source.graph is not None
    metrics: dict[str, float] = {}
    for row in rows:
        metrics |= {f"{row.name}: {key}": round(value, 4) for key, value in row.scores.items()}
        share = same(rows[0], row)
        if share is not None and row is not rows[0]:
            metrics[f"{row.name}: same answer as before"] = round(share, 4)
        metrics[f"{row.name}: bytes"] = row.bytes
        metrics[f"{row.name}: ms on one core ({row.engine})"] = round(row.milliseconds, 2)
    ends = "uint8, real value = (stored - zero point) * scale" if io == "uint8" else "float32"
    return cards.Card(
        name=name,
        task=source.kind,
        summary=f"{source.graph.name} as {', '.join(f'{m} ({MEANING[m]})' for m in modes)}.",
        classes=tuple(model_choice.label_names(source) or ["no label file"]),
        input={
            "height": size[0],
            "width": size[1],
            "channels": size[2],
            "type": f"{ends}, (pixel - mean) / std with pixels 0..255",
            "mean": source.input_mean if source.input_mean is not None else "not stated",
            "std": source.input_std if source.input_std is not None else "not stated",
            "resize": source.resize,
        },
        output={"meaning": f"as that of {source.graph.name}", "type": ends},
        metrics=metrics,
        measured_with="the command below, by the server's own code",
        trained_with=command,
        limits=("What the original model could not do, these cannot do either.",),
        data=data,
        licence="that of the model it was made from",
        files=files,
    )
