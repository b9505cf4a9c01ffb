"""What the card of a retrained model says."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.common import cards
from tools.datasets.class_folders import Pictures
from tools.retrain.wishes import Learned, Wishes


def describe(
    wish: Wishes, found: Pictures, learned: Learned, metrics: Mapping[str, float], split: str
) -> dict[str, Any]:
    """The fields of the card but for the files; `split`: whose pictures it was measured on."""
    side = learned.side
    return {
        "name": wish.name,
        "task": "image_classification",
        "summary": learned.summary,
        "classes": found.classes,
        "input": {
            "width": side,
            "height": side,
            "channels": "3, red green blue",
            "type": "float32, (pixel - mean) / std with pixels 0..255",
            "mean": learned.mean,
            "std": learned.std,
            "resize": f"stretch, {learned.resize}",
        },
        "output": {
            "meaning": "probability of each class, in the order of labels.txt",
            f"tensor_in_{wish.name}.pb": "final_result:0, any batch",
            f"tensor_in_{wish.name}.tflite": "the only output, batch 1",
        },
        "metrics": metrics,
        "measured_with": f"the {split} pictures, {wish.name}.tflite, by the command below",
        "trained_with": command(),
        "limits": (
            "It always answers with one of its classes, whatever the picture shows.",
            "It was measured on pictures of the same collection it learned from.",
        ),
        "data": f"{cards.shown(wish.image_dir)}: {counted(found.counts())} pictures, "
        f"{len(found.broken)} left out because they cannot be read",
        "licence": "that of the pictures, and of the base if there is one",
    }


def counted(counts: Mapping[str, int]) -> str:
    """As in "80 train, 10 validation, 10 test"."""
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def command() -> str:
    """The command line, without the folders of this machine."""
    told = [_bare(word) for word in sys.argv[1:]]
    return " ".join(["scai retrain", *[word for word in told if word != "retrain"]])


def _bare(word: str) -> str:
    flag, equals, value = word.partition("=")
    if equals and flag.startswith("--"):
        return f"{flag}={_bare(value)}"
    return cards.shown(Path(word)) if word.startswith("/") else word
