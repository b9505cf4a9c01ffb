"""Writes what was learned, measures the written file, and tells of it."""

from __future__ import annotations

import click

from tools.common import cards, install
from tools.common.errors import figures
from tools.common.folders import whole_folder
from tools.datasets.class_folders import Pictures
from tools.retrain import card, measured, outputs, plots
from tools.retrain.wishes import Learned, Wishes


def write(wish: Wishes, found: Pictures, learned: Learned) -> str:
    """The folder `wish.out`, whole or not at all; gives the lines for usr/*.config.

    Raises UserError and OSError.
    """
    items = found.of("test") or found.of("validation") or found.of("train")
    values = learned.mean, learned.std, learned.resize
    with whole_folder(wish.out) as folder:
        click.echo(f"writing and measuring {wish.out}")
        outputs.write_models(
            folder, wish.name, found.classes, learned.served, learned.model, learned.side
        )
        trial = outputs.section(wish.name, str(folder.resolve()), *values)
        judged = measured.through_the_server(folder, wish.name, trial, found, items)
        found.tell_broken()
        plots.draw(folder, wish.name, judged, learned.curves)
        metrics = judged.metrics(items[0].split)
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        if wish.install_as:  # the card is copied along, and should tell of what lies beside it
            files = [f for f in files if "/" not in f and install.served(f)]
        facts = card.describe(wish, found, learned, metrics, items[0].split)
        files_facts = cards.described(folder, files)
        cards.write(cards.Card(**facts, files=files_facts), folder)
    click.echo(f"{wish.out}, as the server answers:\n{figures(metrics)}")
    where = f"models/{wish.name}" if wish.install_as else wish.out.as_posix()
    return outputs.section(wish.name, where, *values)
