"""The card of a retrained model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.common import cards
from tools.datasets.class_folders import Pictures
from tools.retrain.classifier import Classifier
from tools.retrain.options import RetrainOptions


def describe(
    options: RetrainOptions,
    pictures: Pictures,
    classifier: Classifier,
    metrics: Mapping[str, float],
    split: str,
    files: Mapping[str, Mapping[str, object]],
) -> cards.Card:
    """The card; `split`: whose pictures the metrics are of."""
    name = options.name
    return cards.Card(
        name=name,
        task="image_classification",
        summary=classifier.summary,
        classes=pictures.classes,
        input=_input(classifier),
        output={
            "meaning": "probability of each class, in the order of labels.txt",
            f"tensor_in_{name}.pb": "final_result:0, any batch",
            f"tensor_in_{name}.tflite": "the only output, batch 1",
        },
        metrics=metrics,
        measured_with=f"the {split} pictures, {name}.tflite, by the command below",
        trained_with=cards.commands(
            f"scai retrain --image_dir {cards.public_path(options.image_dir)} "
            f"--out {cards.public_path(options.out)}",
            classifier.runs,
        ),
        limits=(
            "It always answers with one of its classes, whatever the picture shows.",
            "It was measured on pictures of the same collection as the training pictures.",
        ),
        data=f"{cards.public_path(options.image_dir)}: "
        f"{cards.count_text(pictures.counts())} pictures, {len(pictures.broken)} left out because "
        "they cannot be read",
        licence="that of the pictures, and of the base if there is one",
        files=files,
    )


def _input(classifier: Classifier) -> dict[str, Any]:
    return {
        "width": classifier.side,
        "height": classifier.side,
        "channels": "3, red green blue",
        "type": "float32, (pixel - mean) / std with pixels 0..255",
        "mean": classifier.mean,
        "std": classifier.std,
        "resize": f"stretch, {classifier.resize}",
    }
