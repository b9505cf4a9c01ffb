"""The `scai models` command: list, show, install, remove and pull models."""

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
from tools.models import facts, report
from tools.models.catalogue import CATALOGUE, CatalogueEntry, read_catalogue
from tools.models.installation import Installation, InstallPlan
from tools.models.planned_download import (
    fetch_and_install,
    from_address,
    from_catalogue,
    is_address,
    labels_from,
)

_KINDS = {"classification": CLASSIFICATION, "detection": DETECTION}


def _pairs(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    """Read KEY=VALUE options into a dict. Raises click.BadParameter."""
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip() or key.strip().lower() in map(str.lower, pairs):
            raise click.BadParameter(f"expected KEY=VALUE, each key once, got {text!r}")
        pairs[key.strip()] = value.strip()
    return pairs


def _installing(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `install` and `pull` share."""
    for option in reversed(
        (
            click.option(
                "--set",
                "keys",
                multiple=True,
                callback=_pairs,
                metavar="KEY=VALUE",
                help="Additional key of the section, such as INPUT_MEAN=127.5. Repeatable.",
            ),
            click.option("--force", is_flag=True, help="Replace an installed model of this name."),
            click.option("--no-check", is_flag=True, help="Do not load the model as a check."),
            click.option("--default", is_flag=True, help="Make [default] refer to this model."),
        )
    ):
        command = option(command)
    return command


_catalogue = click.option(
    "--catalogue",
    type=click.Path(path_type=Path),
    default=CATALOGUE,
    help="Catalogue file; default is the one that comes with SCAI.",
)


def _kind(required: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "--kind", type=click.Choice(list(_KINDS)), required=required, help="Kind of recognition."
    )


def _installation() -> Installation:
    return Installation.of(settings.load())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """List, show, install, remove and download models."""


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_catalogue
@one_sentence()
def list_(as_json: bool, catalogue: Path) -> None:
    """List the installed models and those of the catalogue."""
    rows = [facts.row(place) for place in _installation().places()]
    offers = list(read_catalogue(catalogue).values())
    if as_json:
        _print_json({"installed": rows, "catalogue": [report.offer(entry) for entry in offers]})
    else:
        click.echo(report.table(rows, offers))


@main.command()
@click.argument("name")
@_kind()
@click.option("--run", "timed", is_flag=True, help="Load the model and time it on one picture.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@one_sentence()
def show(name: str, kind: str | None, timed: bool, as_json: bool) -> None:
    """Show the details of the installed model NAME."""
    config = settings.load()
    place = Installation.of(config).find(name, _KINDS.get(kind or "", ""))
    policy = SpeedPolicy(config.cachepath, use=config.measure == "on")
    run = facts.run(place, policy, config.batch) if timed else None
    details = facts.details(place, policy, config.batch)
    if run:
        details["run"] = run
    if as_json:
        _print_json(details)
    else:
        click.echo(report.details(details))


@main.command()
@click.argument("name")
@_kind(required=True)
@click.option("--graph", type=click.Path(path_type=Path), help="Model file or SavedModel folder.")
@click.option("--labels", type=click.Path(path_type=Path), help="Label file.")
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
    """Copy a model's files to usr/models/NAME, add its section, and load it as a check."""
    plan = InstallPlan(name, _KINDS[kind], graph, labels, keys)
    card = _installation().install(plan, force=force, check=not no_check, default=default)
    _report_installed(card, default)


@main.command()
@click.argument("name")
@_kind()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@one_sentence()
def remove(name: str, kind: str | None, yes: bool) -> None:
    """Remove the section of the model NAME, and its files if no other model uses them."""
    installation = _installation()
    place = installation.find(name, _KINDS.get(kind or "", ""))
    installation.check_unused(place)
    if not yes:
        for path in installation.own_files(place):
            click.echo(f"would delete {path}")
        click.confirm(f"Remove [{name}] from {place.config}?", abort=True)
    for path in installation.remove(place):
        click.echo(f"deleted {path}")
    click.echo(f"removed [{name}] from {place.config}")
    if place.folder.is_dir():
        click.echo(f"kept {place.folder}: it holds other files, or files that other models use")


@main.command()
@click.argument("name_or_url", metavar="NAME|URL")
@click.option(
    "--name", help="Name of the model here (default: its name in the catalogue, or the file's)."
)
@_kind()
@click.option(
    "--sha256", default="", metavar="HEX", help="SHA-256 digest that the file of a URL must have."
)
@click.option("--labels", metavar="URL|FILE", help="Label file; replaces the one of the catalogue.")
@click.option(
    "--mirror", default="", metavar="URL", help="Download the catalogue's files from this folder."
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
    """Download a model by its name in the catalogue or by its URL, and install it."""
    if is_address(name_or_url):
        if kind is None or labels is None or mirror:
            raise click.UsageError("a URL needs --kind and --labels, and no --mirror")
        plan = from_address(name_or_url, _KINDS[kind], sha256)
    else:
        if kind is not None or sha256:
            raise click.UsageError("--kind and --sha256 are for a URL; the catalogue states both")
        plan = from_catalogue(_entry(catalogue, name_or_url), mirror)
    plan = replace(plan, name=name or plan.name, keys={**plan.keys, **keys})
    if labels is not None:
        plan = replace(plan, labels=labels_from(labels))
    card, digests = fetch_and_install(
        _installation(), plan, report.Bar, force=force, check=not no_check, default=default
    )
    for file, digest in digests.items():
        checked = any(part.sha256 == digest for part in plan.files)
        click.echo(f"sha256 {digest}  {file}{'' if checked else '  (no digest to compare with)'}")
    _report_installed(card, default)


def _entry(catalogue: Path, name: str) -> CatalogueEntry:
    entries = read_catalogue(catalogue)
    if name not in entries:
        names = ", ".join(entries) or "none"
        raise ConfigError(f"no model named {name!r} in the catalogue; it has: {names}")
    return entries[name]


def _report_installed(card: ModelCard, default: bool) -> None:
    click.echo(f"installed [{card.name}] in {card.config}")
    if default:
        click.echo("[default] refers to it; restart the workers to use it")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    sys.exit(main())
