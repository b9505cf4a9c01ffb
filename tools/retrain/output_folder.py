"""The folder that `scai retrain` writes: models, labels, card and diagrams, all measured."""

from __future__ import annotations

import click

from tools.common import cards, install
from tools.common.errors import figures
from tools.common.folders import whole_folder
from tools.datasets.class_folders import Pictures
from tools.retrain import card, evaluation, model_files, plots
from tools.retrain.classifier import Classifier
from tools.retrain.options import RetrainOptions


def write(options: RetrainOptions, pictures: Pictures, classifier: Classifier) -> str:
    """Write the folder, whole or not at all; returns the lines for usr/*.config.

    Raises UserError and OSError.
    """
    name = options.name
    items = pictures.of("test") or pictures.of("validation") or pictures.of("train")
    values = classifier.mean, classifier.std, classifier.resize
    with whole_folder(options.out) as folder:
        click.echo(f"writing and measuring {options.out}")
        model_files.write_models(
            folder,
            name,
            pictures.classes,
            classifier.function,
            classifier.model,
            classifier.side,
        )
        trial = model_files.section(name, str(folder.resolve()), *values)
        result = evaluation.through_the_server(folder, name, trial, pictures, items)
        pictures.report_broken()
        plots.draw(folder, name, result, classifier.curves)
        metrics = result.metrics(items[0].split)
        files = install.card_files(folder, bool(options.install_as))
        facts = cards.file_facts(folder, files)
        cards.write(
            card.describe(options, pictures, classifier, metrics, items[0].split, facts), folder
        )
    click.echo(f"{options.out}, measured as the server answers:\n{figures(metrics)}")
    return model_files.section(name, install.folder_in_config(options), *values)
