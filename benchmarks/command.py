"""The `scai bench` command: run the benchmarks of this folder.

A benchmark is a module with `run(rounds, quick, out, **options) -> Report`, imported only when it
runs. Its own click options are in its list `OPTIONS`.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from benchmarks.report import Report
from scai.settings import ROOT

OUT = ROOT / ".cache" / "bench"
# Module -> what it measures, and its duration on two cores.
BENCHMARKS = {
    "engine": ("images per second of each engine, compared with plain TensorFlow", "10 min"),
    "service": ("upload to verdict over HTTP, compared with a bare loop", "10 min"),
    "peers": ("SCAI and other inference servers", "30 min"),
    "queue": ("the queue folder: uploads, claims, pick-up, depth, purge", "10 min"),
    "decisions": ("the gain of each design decision in the worker", "5 min"),
    "job": ("the time from process start to the verdict of one photo", "2 min"),
    "soak": ("memory and open files over a long run", "60 min"),
}
ALL = "all"


class Benchmarks(click.Group):
    """A command for each benchmark, made on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BENCHMARKS, ALL]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == ALL:
            return _command(ALL, list(BENCHMARKS), _about(ALL), [])
        if cmd_name not in BENCHMARKS:
            return None
        own = getattr(import_module(f"benchmarks.{cmd_name}"), "OPTIONS", [])
        return _command(cmd_name, [cmd_name], _about(cmd_name), own)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Benchmarks"):
            formatter.write_dl([(name, _about(name)) for name in self.list_commands(ctx)])


@click.group(cls=Benchmarks, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure how fast SCAI is on this machine.

    Each benchmark prints a table and writes it as JSON, with plots, into --out. SCAI promises
    ratios between figures of one run, not absolute figures; benchmarks/README.md explains the
    rows. Do not use the machine for anything else meanwhile.
    """


def measure(name: str, rounds: int, quick: bool, out: Path, **options: Any) -> bool:
    """Run one benchmark, print and write its report; returns whether it could be run.

    A benchmark that cannot be run here raises click.ClickException with the reason.
    """
    try:
        report: Report = import_module(f"benchmarks.{name}").run(rounds, quick, out, **options)
    except click.ClickException as error:
        error.show()
        return False
    report.print()
    for file in write(report, out):
        path = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        click.echo(f"written: {path}", err=True)
    return True


def write(report: Report, folder: Path) -> list[Path]:
    """Write <name>.json and the plots <name>-....png into `folder`; returns the files."""
    from benchmarks._plots import draw

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{report.name}.json"
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False, default=float)
    file.write_text(text + "\n", encoding="utf-8")
    return [file, *draw(report, folder)]


def _about(name: str) -> str:
    if name == ALL:
        return "Run all of these, one after the other (about 2 h)."
    what, time = BENCHMARKS[name]
    return f"Measure {what} (about {time})."


def _command(name: str, names: list[str], text: str, own: list[click.Option]) -> click.Command:
    def run(rounds: int, quick: bool, out: Path, **options: Any) -> None:
        failures = [each for each in names if not measure(each, rounds, quick, out, **options)]
        if failures:
            click.echo(f"scai bench: not measured: {', '.join(failures)}", err=True)
            sys.exit(1)

    common = [
        click.Option(
            ["--rounds"],
            type=click.IntRange(min=1),
            default=3,
            show_default=True,
            help="Number of rounds; in each, all contenders take turns.",
        ),
        click.Option(
            ["--quick"],
            is_flag=True,
            help="Measure less: under a minute per benchmark, with rougher figures.",
        ),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path, file_okay=False),
            default=OUT,
            show_default=".cache/bench",
            help="Output folder of the JSON and the plots.",
        ),
    ]
    return click.Command(name, callback=run, params=[*common, *own], help=text)


if __name__ == "__main__":
    main()
