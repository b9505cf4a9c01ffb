"""`scai submit`: send photos to a server and print the results."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from scai import kinds
from scai.cli._errors import one_sentence
from scai.cli.text import progress_line, table
from scai.client import Client
from scai.errors import ConfigError
from scai.kinds import Kind

SECTION = "The server"
# Width of the bar of a score of 100 %, in characters.
_BAR = 30
_LABEL = 28


# Generic in the newest click alone, so it has no type argument here.
class JobType(click.ParamType):  # type: ignore[type-arg]
    """A kind of recognition by its `job`, of workers/ and of the folder SCAI_WORKERSPATH."""

    name = "job"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"[{'|'.join(self._jobs())}]"

    def convert(
        self, value: str | Kind, param: click.Parameter | None, ctx: click.Context | None
    ) -> Kind:
        if isinstance(value, Kind):
            return value
        jobs = self._jobs()
        if value not in jobs:
            self.fail(f"{value!r} is not one of {', '.join(map(repr, jobs))}.", param, ctx)
        return jobs[value]

    def _jobs(self) -> dict[str, Kind]:
        try:
            kinds_by_name = kinds.load(os.environ.get("SCAI_WORKERSPATH", ""))
        except ConfigError as error:
            self.fail(error.message)
        return {kind.job: kind for kind in kinds_by_name.values()}


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--job",
    type=JobType(),
    default="classification",
    show_default=True,
    help="Kind of recognition.",
)
@click.option("--model", default="", help="Section of the models file (default: the server's).")
@click.option(
    "--server",
    default="http://127.0.0.1:5000",
    envvar="SCAI_SERVER",
    show_default=True,
    help="Address of the server.",
)
@click.option("--wait/--no-wait", default=True, help="Wait for the results (default).")
@click.option("--timeout", default=120.0, show_default=True, help="Longest wait in seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per photo.")
@click.option("--out", type=click.Path(path_type=Path), help="Save the annotated PNG here.")
@one_sentence
def main(
    photos: tuple[Path, ...],
    job: Kind,
    model: str,
    server: str,
    wait: bool,
    timeout: float,
    as_json: bool,
    out: Path | None,
) -> None:
    """Send photos to a server and print what it recognises."""
    if out is not None and (job.output is None or not wait):
        drawing = " or ".join(k.job for k in kinds.load().values() if k.output)
        raise click.UsageError(f"--out goes with --job {drawing} and --wait")
    if out is not None and len(photos) > 1 and not out.is_dir():
        raise click.UsageError("--out must be a folder when there are several photos")
    client = Client(server)
    any_failure = False
    for number, photo in enumerate(photos, 1):
        progress_line(f"[{number}/{len(photos)}] {photo.name}: uploading")
        receipt = client.upload(photo, job, model)
        answer: dict[str, Any] = {"photo": str(photo), "task": receipt.name, "key": receipt.key}
        if wait:
            progress_line(f"[{number}/{len(photos)}] {photo.name}: waiting for the result")
            answer |= client.wait(receipt, timeout)
            any_failure |= answer["state"] == "failure"
            if out is not None and answer["state"] == "complete":
                target = out / f"{photo.stem}.png" if out.is_dir() else out
                target.write_bytes(client.picture(receipt))
                answer["saved"] = str(target)
        progress_line("")
        click.echo(json.dumps(answer, ensure_ascii=False) if as_json else result_text(answer))
    sys.exit(1 if any_failure else 0)


def result_text(answer: Mapping[str, Any]) -> str:
    """Format the result of one photo: a heading and a row for each prediction."""
    photo, state = answer["photo"], answer.get("state")
    if state is None:
        return f"{photo}: accepted as {answer['task']}, key {answer['key']}"
    if state != "complete":
        return f"{photo}: {answer.get('message') or state}"
    lines = [f"{photo}  ({answer.get('model')} on {answer.get('engine')})"]
    rows = [_row(prediction) for prediction in answer.get("predictions", [])]
    lines += table(rows, right=(1,), indent=2) or ["  nothing found"]
    if "saved" in answer:
        lines.append(f"  annotated picture: {answer['saved']}")
    return "\n".join(lines)


def _row(prediction: Mapping[str, Any]) -> list[str]:
    """Format one prediction: label, score, and its box in numbers, or a bar without a box."""
    last = "#" * round(prediction["score"] * _BAR)
    if box := prediction.get("box"):
        last = "[" + ", ".join(f"{value:.0f}" for value in box.values()) + "]"
    return [str(prediction["label"]).ljust(_LABEL), f"{prediction['score']:.1%}".rjust(6), last]
