"""The `scai` command, and the command lines of index.py and clean.py."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from scai import __version__, logs, plugins, settings
from scai.cli.text import human_age, human_bytes, result_table, status_table
from scai.client import Client
from scai.errors import ScaiError
from scai.jobs.retention import purge
from scai.monitoring.queue_status import status as queue_status
from scai.processes import EXIT_CONFIG
from scai.queues.directory import DirectoryQueue
from scai.storage.disk import Disk

log = logging.getLogger(__name__)

_JOBS = {"classification": "image_classification", "detection": "object_detection"}


def _one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Print what SCAI raises on purpose as one line and exit; a bug keeps its traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ScaiError as error:
            click.echo(f"scai: {error.message}", err=True)
            sys.exit(EXIT_CONFIG if error.code == "config" else 1)
        except OSError as error:
            click.echo(f"scai: {error.filename or 'the disk'}: {error.strerror or error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapped


# Commands around models, and `bench`: a module with a click command `main`, and what it is for.
# They load model libraries, so none is imported before it is called.
TOOLS = {
    "retrain": (
        "tools.retrain.command",
        "Train a classifier for your own classes from folders of pictures.",
    ),
    "train-detector": (
        "tools.train_detector.command",
        "Train a detector for your own classes from pictures with boxes (Pascal VOC, COCO).",
    ),
    "models": ("tools.models.command", "List, show, install, remove and pull models."),
    "label-image": ("tools.label_image", "Classify one picture with any model file."),
    "list-ops": ("tools.list_ops.command", "What goes into a model file and comes out of it."),
    "evaluate": (
        "tools.evaluate.command",
        "Judge models, side by side, on pictures with known answers.",
    ),
    "optimize": (
        "tools.shrink.optimize",
        "Fold and strip a trained network; the same answers, faster.",
    ),
    "quantize": (
        "tools.shrink.quantize",
        "Make a trained network smaller with 8 or 16 bits a number.",
    ),
    "bench": ("benchmarks.command", "Measure how fast SCAI is on this machine."),
}


class WithTools(click.Group):
    """Our own commands, and those of tools/ on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *TOOLS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in TOOLS:
            return super().get_command(ctx, cmd_name)
        found = import_module(TOOLS[cmd_name][0]).main
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [(name, command.get_short_help_str(80)) for name, command in self.commands.items()]
        with formatter.section("The server"):
            formatter.write_dl(own)
        if TOOLS:
            with formatter.section("Models"):
                formatter.write_dl([(name, purpose) for name, (_, purpose) in TOOLS.items()])


@click.group(cls=WithTools, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scai")
def main() -> None:
    """SCAI, Simple Cloud AI: a self-hosted image-recognition server."""


@main.command()
@click.option("--host", help="address to listen on (default: 127.0.0.1)")
@click.option("--port", help="TCP port (default: 5000)")
@click.option("--runningmode", type=click.Choice(["runtime", "job"]), help="default: runtime")
@_one_sentence
def up(host: str | None, port: str | None, runningmode: str | None) -> None:
    """Run the portal, the workers and the cleaner until Ctrl-C."""
    from scai.programs.supervisor import Supervisor

    chosen = settings.load({"host": host, "port": port, "runningmode": runningmode})
    logs.set_up("scai", chosen.loglevel, chosen.logformat)
    sys.exit(Supervisor(chosen).run(ready=click.echo))


@main.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--job",
    type=click.Choice(list(_JOBS)),
    default="classification",
    show_default=True,
    help="what to do with them",
)
@click.option("--model", default="", help="section of the models file (default: the server's)")
@click.option(
    "--server",
    default="http://127.0.0.1:5000",
    envvar="SCAI_SERVER",
    show_default=True,
    help="its address",
)
@click.option("--wait/--no-wait", default=True, help="wait for the verdict (default)")
@click.option("--timeout", default=120.0, show_default=True, help="longest wait in seconds")
@click.option("--json", "as_json", is_flag=True, help="print JSON, one object a photo")
@click.option("--out", type=click.Path(path_type=Path), help="save the annotated PNG here")
@_one_sentence
def submit(
    photos: tuple[Path, ...],
    job: str,
    model: str,
    server: str,
    wait: bool,
    timeout: float,
    as_json: bool,
    out: Path | None,
) -> None:
    """Send photos to a server and show what it recognises."""
    if out is not None and (job != "detection" or not wait):
        raise click.UsageError("--out goes with --job detection and --wait")
    if out is not None and len(photos) > 1 and not out.is_dir():
        raise click.UsageError("--out must be a folder when there are several photos")
    client = Client(server)
    failed = False
    for number, photo in enumerate(photos, 1):
        _say(f"[{number}/{len(photos)}] {photo.name}: uploading")
        ticket = client.upload(photo, _JOBS[job], model)
        shown: dict[str, Any] = {"photo": str(photo), "task": ticket.name, "key": ticket.key}
        if wait:
            _say(f"[{number}/{len(photos)}] {photo.name}: waiting for the verdict")
            result = client.wait(ticket, timeout)
            failed |= result["state"] == "failure"
            shown.update(result)
            if out is not None and result["state"] == "complete":
                target = out / f"{photo.stem}.png" if out.is_dir() else out
                target.write_bytes(client.picture(ticket))
                shown["saved"] = str(target)
        _say("")
        click.echo(json.dumps(shown, ensure_ascii=False) if as_json else result_table(shown))
    sys.exit(1 if failed else 0)


def _say(text: str) -> None:
    """Show where we are on a terminal, in place; say nothing elsewhere."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="print JSON")
@_one_sentence
def status(as_json: bool) -> None:
    """Show the queues of the installation in this folder: depth, oldest job, workers."""
    found = queue_status(settings.load())
    if as_json:
        click.echo(json.dumps([queue.to_dict() for queue in found], ensure_ascii=False, indent=1))
    else:
        click.echo(status_table(found))


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--host", help="address to listen on (default: 127.0.0.1)")
@click.option("--port", help="TCP port (default: 5000)")
@click.option("--runningmode", type=click.Choice(["runtime", "job"]), help="default: runtime")
@click.option("--icpoolpath", help="queue folder of image classification")
@click.option("--odpoolpath", help="queue folder of object detection")
@_one_sentence
def portal(**flags: str | None) -> None:
    """The portal alone: pages and API. Workers are started apart (in job mode, by the portal)."""
    from scai.programs.portal import serve

    chosen = settings.load(flags)
    logs.set_up("portal", chosen.loglevel, chosen.logformat)
    serve(chosen)


@click.command()
@click.option("--sessionpath", help="folder of the sessions (default: ./session)")
@click.option(
    "--keeptimeperiod",
    "--keeptimeperoid",
    help="remove sessions older than this: seconds, or 12h, 2d (default: 172800)",
)
@click.option("--dry-run", is_flag=True, help="say what would go; remove nothing")
@click.option("--quiet", is_flag=True, help="say nothing when there was nothing to remove")
@_one_sentence
def clean(sessionpath: str | None, keeptimeperiod: str | None, dry_run: bool, quiet: bool) -> None:
    """Remove old sessions, never one that waits or is being worked on, and exit."""
    chosen = settings.load({"sessionpath": sessionpath, "keeptimeperiod": keeptimeperiod})
    logs.set_up("cleaner", chosen.loglevel, chosen.logformat)
    root = chosen.sessionpath
    if not root.is_dir():
        raise ScaiError(f"{root}: no such folder; name it with --sessionpath")
    disk = Disk("off")
    queues = [
        DirectoryQueue(chosen.pool(kind), kind, disk=disk) for kind in plugins.names("workers")
    ]
    done = purge(root, queues, chosen.keeptimeperiod, dry_run=dry_run)
    if done.removed or not quiet:
        for name in done.removed:
            click.echo(f"{'would remove' if dry_run else 'removed'} {name}")
        click.echo(
            f"{len(done.removed)} sessions older than {human_age(chosen.keeptimeperiod)} "
            f"{'would be ' if dry_run else ''}removed, {human_bytes(done.freed)} freed, "
            f"{done.alive} kept because they wait or run"
        )


if __name__ == "__main__":
    main()
