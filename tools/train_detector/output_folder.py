"""The folder that `scai train-detector` writes: models, labels, card and diagrams, all measured."""

from __future__ import annotations

from pathlib import Path

import click

from scai.models import cards as section_cards
from tools.common import cards, install
from tools.common.errors import figures
from tools.common.folders import whole_folder
from tools.datasets.labelled_boxes import LabelledBoxes
from tools.evaluate.evaluation import ModelEvaluation, evaluate_model
from tools.evaluate.scores import DetectorScores
from tools.train_detector import card, model_files, plots, weights
from tools.train_detector.options import TrainingOptions
from tools.train_detector.training import Detector

_BATCH = 8  # pictures


def write(options: TrainingOptions, labelled: LabelledBoxes, detector: Detector) -> str:
    """Write the folder, whole or not at all; returns the lines for usr/*.config. Raises OSError."""
    lite, classes = f"{options.name}.tflite", labelled.classes
    threshold = detector.threshold
    with whole_folder(options.out) as folder:
        model_files.write_models(
            folder,
            lite,
            classes,
            detector.model,
            options.image_size,
            detector.suppression,
            saved=True,
        )
        weights.save(detector.model, classes, folder / weights.FILE)
        trial = model_files.section(
            options.name, str(folder.resolve()), lite, len(classes), threshold
        )
        result = evaluate(folder, options.name, trial, labelled)
        assert isinstance(result.scores, DetectorScores)
        data = labelled.splits[labelled.evaluation_split]
        curve = detector.state.curve
        plots.draw(folder, options.name, curve, result.scores, data, result.answers, threshold)
        files = cards.file_facts(folder, install.card_files(folder, bool(options.install_as)))
        facts = card.describe(options, labelled, detector, result, files)
        cards.write(facts, folder)
    click.echo(f"{options.out}, measured as the server answers:\n{figures(facts.metrics)}")
    where = install.folder_in_config(options)
    return model_files.section(options.name, where, lite, len(classes), threshold)


def evaluate(folder: Path, name: str, lines: str, labelled: LabelledBoxes) -> ModelEvaluation:
    """Evaluate the model in `folder` as the server runs it with the section `lines`."""
    config = folder / "trial.config"
    config.write_text(lines, encoding="utf-8")
    try:
        section = section_cards.load_card(config, name, section_cards.DETECTION)
        data = labelled.splits[labelled.evaluation_split]
        return evaluate_model(name, section, data, _BATCH)
    finally:
        config.unlink()
