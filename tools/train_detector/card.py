"""The card of a trained detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tools.common import cards
from tools.datasets.labelled_boxes import TEST, TRAIN, VALIDATION, LabelledBoxes
from tools.datasets.samples import Boxes
from tools.evaluate.evaluation import ModelEvaluation
from tools.evaluate.scores import DetectorScores
from tools.train_detector import model_files
from tools.train_detector.options import TrainingOptions
from tools.train_detector.postprocessing import Suppression
from tools.train_detector.training import Detector

_MAX_NAMES = 8  # classes that the summary lists


def describe(
    options: TrainingOptions,
    labelled: LabelledBoxes,
    detector: Detector,
    result: ModelEvaluation,
    files: Mapping[str, Mapping[str, object]],
) -> cards.Card:
    """The card of the exported model, measured as `result`."""
    assert isinstance(result.scores, DetectorScores)
    lite, data = f"{options.name}.tflite", cards.public_path(options.data)
    counts, suppression = labelled.counts(), detector.suppression
    return cards.Card(
        name=options.name,
        task="object_detection",
        summary=f"Finds {_class_list(labelled.classes)}: one box for each.",
        classes=labelled.classes,
        input=model_files.input_facts(lite, options.image_size),
        output=model_files.output_facts(lite, suppression)
        | {"suppression": _suppression_text(suppression)},
        metrics=_metrics(result.scores) | {"pictures measured": len(result.answers.samples)},
        measured_with=_measured_with(options, labelled),
        trained_with=cards.commands(
            f"scai train-detector --data {data} --out {cards.public_path(options.out)}",
            detector.state.runs,
        ),
        limits=_limits(options, labelled),
        data=f"{data}: {counts[TRAIN]} training pictures ({_boxes(labelled)}), "
        f"{counts[VALIDATION]} for validation, {counts[TEST]} for testing; "
        f"{len(detector.left_out)} training pictures or boxes left out because they "
        "are unreadable, empty or outside their pictures",
        licence=options.licence,
        files=files,
    )


def _metrics(scores: DetectorScores) -> dict[str, float]:
    by_class = {f"AP@0.5 of {name}": value for name, value in scores.per_class().items()}
    numbers = scores.columns() | {n: v for n, v in by_class.items() if v is not None}
    return {name: round(value, 4) for name, value in numbers.items()}


def _suppression_text(suppression: Suppression) -> str:
    classes = "whatever their classes" if suppression.across else "if they are of one class"
    return (
        f"boxes that overlap by more than {suppression.overlap:g} (intersection over union) or "
        f"lie within one another by more than {suppression.inside:g} count as one object, {classes}"
    )


def _boxes(labelled: LabelledBoxes) -> str:
    """The number of boxes of each class that the detector was trained on."""
    truths = [sample.truth for sample in labelled.splits[TRAIN].samples]
    boxes = Counter(name for t in truths if isinstance(t, Boxes) for name in t.names)
    return cards.count_text({name: boxes[name] for name in labelled.classes})


def _measured_with(options: TrainingOptions, labelled: LabelledBoxes) -> str:
    part = labelled.named.get(labelled.evaluation_split)
    if part and options.install_as:
        return f"scai evaluate {options.name} {cards.public_path(options.data)} --part {part}"
    return f"the {labelled.evaluation_split} pictures, {options.name}.tflite, by the command below"


def _limits(options: TrainingOptions, labelled: LabelledBoxes) -> tuple[str, ...]:
    """What was measured on which pictures, and what not to expect."""
    split = labelled.evaluation_split
    measured = {
        TEST: "Measured on test pictures, which were used for nothing else.",
        VALIDATION: "Measured on the validation pictures. They decided the NMS and the confidence "
        "threshold, but no weight was trained on them.",
        TRAIN: "Measured on the very pictures that it was trained on: expect less of others.",
    }[split]
    if split == VALIDATION and options.learn_from_validation:
        measured = "Measured on pictures that it was trained on as well: expect less of others."
    if split == VALIDATION and options.keep_best:
        measured += " The weights are the best of several on them."
    return (
        measured,
        "Measured on pictures of the same collection as the training pictures.",
        f"It misses objects under about {options.image_size // 32} pixels when the picture's "
        f"longer side is {options.image_size}.",
        "It knows only its classes and may take similar objects for one of them.",
    )


def _class_list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more classes" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more
