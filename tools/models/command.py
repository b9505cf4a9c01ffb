"""The models of an installation, from the command line: list, show, install, remove, pull."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from scai import settings
from scai.errors import ConfigError
from scai.models.cards import CLASSIFICATION, DETECTION, ModelCard, SpeedPolicy
from tools.common.errors import one_sentence
from tools.models import catalogue as model_catalogue
from tools.models import facts, report
from tools.models import pull as model_pull
from tools.models.catalogue import CATALOGUE
from tools.models.shelf import Plan, Shelf

_KINDS = {"classification": CLASSIFICATION, "detection": DETECTION}


def _pairs(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """KEY=VALUE, each key once."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or key.strip().lower() in map(str.lower, pairs):
            raise click.BadParameter(f"expected KEY=VALUE, each key once, got {text!r}")
        pairs[key.strip()] = value.strip()
    return pairs


def _installing(command: Callable[..., None]) -> Callable[..., None]:
    """The flags that `install` and `pull` share."""
    for option in reversed(
        (
            click.option(
                "--set",
                "keys",
                multiple=True,
                callback=_pairs,
                metavar="KEY=VALUE",
                help="a further key of the section, such as INPUT_MEAN=127.5; may be repeated",
            ),
            click.option("--force", is_flag=True, help="replace a model of this name"),
            click.option("--no-check", is_flag=True, help="do not load the model to try it"),
            click.option("--default", is_flag=True, help="let [default] stand for this model"),
        )
    ):
        command = option(command)
    return command


_catalogue = click.option(
    "--catalogue",
    type=click.Path(path_type=Path),
    default=CATALOGUE,
    help="a catalogue of your own in place of the one that comes with SCAI",
)


def _kind(required: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--kind", type=click.Choice(list(_KINDS)), required=required, help="what the model does"
    )


def _shelf() -> Shelf:
    return Shelf.of(settings.load())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Models: what is installed, what can be fetched, and how to add or remove one."""


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@_catalogue
@one_sentence()
def list_(as_json: bool, catalogue: Path) -> None:
    """Show the installed models, and those that `pull` knows by name."""
    rows = [facts.row(place) for place in _shelf().places()]
    offers = list(model_catalogue.read(catalogue).values())
    if as_json:
        told = [report.offer(entry) for entry in offers]
        _print_json({"installed": rows, "catalogue": told})
    else:
        click.echo(report.table(rows, offers))


@main.command()
@click.argument("name")
@_kind()
@click.option("--run", "timed", is_flag=True, help="load it and time it on one picture")
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@one_sentence()
def show(name: str, kind: str | None, timed: bool, as_json: bool) -> None:
    """Show all that is known of the installed model NAME."""
    chosen = settings.load()
    place = Shelf.of(chosen).find(name, _KINDS.get(kind or "", ""))
    policy = SpeedPolicy(chosen.cachepath, use=chosen.measure == "on")
    run = facts.run(place, policy, chosen.batch) if timed else None
    told = facts.whole(place, policy, chosen.batch)
    if run:
        told["run"] = run
    if as_json:
        _print_json(told)
    else:
        click.echo(report.whole(told))


@main.command()
@click.argument("name")
@_kind(required=True)
@click.option("--graph", type=click.Path(path_type=Path), help="model file or SavedModel folder")
@click.option("--labels", type=click.Path(path_type=Path), help="label file")
@_installing
@one_sentence()
def install(
    name: str,
    kind: str,
    graph: Path | None,
    labels: Path | None,
    keys: dict[str, str],
    force: bool,
    no_check: bool,
    default: bool,
) -> None:
    """Copy a model's files to usr/models/NAME, write its section, and try it."""
    plan = Plan(name, _KINDS[kind], graph, labels, keys)
    card = _shelf().install(plan, force=force, check=not no_check, default=default)
    _report_installed(card, default)


@main.command()
@click.argument("name")
@_kind()
@click.option("--yes", is_flag=True, help="do not ask first")
@one_sentence()
def remove(name: str, kind: str | None, yes: bool) -> None:
    """Remove the section of the model NAME, and its files if nobody else uses them."""
    shelf = _shelf()
    place = shelf.find(name, _KINDS.get(kind or "", ""))
    shelf.check_unused(place)
    if not yes:
        for path in shelf.own_files(place):
            click.echo(f"would delete {path}")
        click.confirm(f"Remove [{name}] from {place.config}?", abort=True)
    for path in shelf.remove(place):
        click.echo(f"deleted {path}")
    click.echo(f"removed [{name}] from {place.config}")
    if place.folder.is_dir():
        click.echo(f"left {place.folder}: other files lie there, or others use them")


@main.command()
@click.argument("name_or_url", metavar="NAME|URL")
@click.option("--name", help="how to call it here (default: as the catalogue or the file does)")
@_kind()
@click.option("--sha256", default="", metavar="HEX", help="what the file of a bare URL must be")
@click.option("--labels", metavar="URL|FILE", help="label file; in place of the catalogue's")
@click.option(
    "--mirror", default="", metavar="URL", help="take the catalogue's files from this folder"
)
@_catalogue
@_installing
@one_sentence()
def pull(
    name_or_url: str,
    name: str | None,
    kind: str | None,
    sha256: str,
    labels: str | None,
    mirror: str,
    catalogue: Path,
    keys: dict[str, str],
    force: bool,
    no_check: bool,
    default: bool,
) -> None:
    """Fetch a model of the catalogue or of any http(s) address, and install it."""
    if model_pull.is_address(name_or_url):
        if kind is None or labels is None or mirror:
            raise click.UsageError("a bare URL goes with --kind and --labels, without --mirror")
        order = model_pull.from_address(name_or_url, _KINDS[kind], sha256)
    else:
        if kind is not None or sha256:
            raise click.UsageError("--kind and --sha256 are for a bare URL; the catalogue has both")
        order = model_pull.from_catalogue(_entry(catalogue, name_or_url), mirror)
    order = replace(order, name=name or order.name, keys={**order.keys, **keys})
    if labels is not None:
        order = replace(order, labels=model_pull.labels_from(labels))
    card, digests = model_pull.pull(
        _shelf(), order, report.Bar, force=force, check=not no_check, default=default
    )
    for file, digest in digests.items():
        known = any(part.sha256 == digest for part in order.files)
        click.echo(f"sha256 {digest}  {file}{'' if known else '  (nothing to compare it with)'}")
    _report_installed(card, default)


def _entry(catalogue: Path, name: str) -> model_catalogue.Entry:
    entries = model_catalogue.read(catalogue)
    if name not in entries:
        known = ", ".join(entries) or "none"
        raise ConfigError(f"no model named {name!r} in the catalogue; there are: {known}")
    return entries[name]


def _report_installed(card: ModelCard, default: bool) -> None:
    click.echo(f"installed [{card.name}] in {card.config}")
    if default:
        click.echo("[default] stands for it: restart the workers to begin with it")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    sys.exit(main())
