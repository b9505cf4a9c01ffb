"""The command line that every kind of worker shares: the seed's flags, and how a worker runs."""

from __future__ import annotations

import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import click

from scai import logs, queues, settings
from scai.engines.base import cores
from scai.errors import BadImage, ConfigError, EngineError, ScaiError
from scai.models import cards
from scai.monitoring.journal import Journal
from scai.pictures.header import Limits
from scai.pictures.pixels import read_picture
from scai.processes import EXIT_CONFIG, die_with_parent
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.settings import Settings
from scai.storage.disk import Disk
from scai.storage.session import FINAL, Session
from scai.worker.pipeline import Worker

log = logging.getLogger(__name__)

Build = Callable[[cards.ModelCard, int], Recognizer]

# The flag of the worker -> the setting it stands for.
_SETTINGS = {
    "usedconfig": "usedconfig",
    "checktimeperiod": "checktimeperiod",
    "sesspath": "sessionpath",
    "runningmode": "runningmode",
    "batch": "batch",
}


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of the seed's worker programs."""
    for option in reversed(
        (
            click.option("--config", type=click.Path(), help="ini file of the models"),
            click.option("--usedconfig", help="section of it to load (default: default)"),
            click.option("--poolingdir", type=click.Path(), help="queue folder"),
            click.option("--sesspath", type=click.Path(), help="folder of the sessions"),
            click.option(
                "--checktimeperiod",
                "--checktimeperoid",
                help="seconds between two looks into the queue folder (default: 2)",
            ),
            click.option(
                "--runningmode",
                type=click.Choice(["runtime", "job"]),
                help="runtime: stay and watch the queue; job: run --sessname and exit",
            ),
            click.option("--sessname", default="", help="the session to run in job mode"),
            click.option("--batch", help="most images in one inference (default: 8)"),
        )
    ):
        command = option(command)
    return command


def start(main: Callable[[], None]) -> None:
    """Run a worker program, and end the process without taking its libraries down one by one.

    That takes them longer than a picture, and all that counts is written by then.
    """
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code or 0)


def run(kind: str, build: Build, flags: Mapping[str, Any], image: Path | None = None) -> None:
    """Be a worker of `kind` until it is told to stop; exits the process with its status.

    `flags` are the values of `options`; those that are named as a key of the model's section take
    its place. With `image`, that one file is recognised, printed, and the program ends.
    """
    die_with_parent()
    if not gc.isenabled():
        # What is loaded now stays to the end: no collection has to look at it again.
        gc.freeze()
        gc.enable()
    try:
        chosen = settings.load({name: flags.get(flag) for flag, name in _SETTINGS.items()})
        logs.set_up(kind, chosen.loglevel, chosen.logformat)
        config = Path(flags.get("config") or chosen.models_file(kind))

        def load(section: str) -> Recognizer:
            overrides = flags if section == default else {}
            card = cards.load_card(config, section, kind, overrides)
            policy = speed_policy(chosen, at_start=section == default and not one)
            return build(replace(card, speed_policy=policy), batch)

        one = image is not None or chosen.runningmode == "job"
        # Told that one picture comes at a time, an engine starts faster.
        batch = 1 if one else chosen.batch
        default = cards.resolve(config, chosen.usedconfig)
        models = ModelCache(
            load, default, chosen.max_models, resolve=lambda name: cards.resolve(config, name)
        )
        if image is not None:
            sys.exit(_one_file(models.get(), image))
        sys.exit(_serve(kind, models, chosen, flags))
    except (ConfigError, EngineError, BadImage) as error:
        click.echo(f"{kind}: {error.message}", err=True)
        sys.exit(EXIT_CONFIG)
    except OSError as error:
        click.echo(f"{kind}: {error.filename or 'the disk'}: {error.strerror}", err=True)
        sys.exit(EXIT_CONFIG)


def speed_policy(chosen: Settings, *, at_start: bool) -> cards.SpeedPolicy:
    """What may be done to run a model faster: speed trials only when a resident worker starts.

    A client who asks for another model is waiting, and so is everybody behind: that model runs by
    an earlier speed record, or by its engine's default plan.
    """
    return cards.SpeedPolicy(chosen.cachepath, use=chosen.measure == "on", run_trials=at_start)


def _one_file(recognizer: Recognizer, image: Path) -> int:
    try:
        data = image.read_bytes()
    except OSError as error:
        raise BadImage(f"{image}: {error.strerror}") from error
    [result] = recognizer.recognize([read_picture(data, least=recognizer.needed_sides).pixels])
    click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
    return 0


def _serve(kind: str, models: ModelCache, chosen: Settings, flags: Mapping[str, Any]) -> int:
    pool = Path(flags.get("poolingdir") or chosen.pool(kind))
    disk = Disk(chosen.durability)
    resident = chosen.runningmode != "job"
    queue = queues.open(chosen, kind, pool=pool, doorbell=resident, disk=disk)
    worker = Worker(
        queue,
        models,
        chosen.sessionpath,
        batch=chosen.batch,
        batch_wait=chosen.batch_wait,
        max_attempts=chosen.max_attempts,
        limits=Limits(chosen.max_upload_bytes, chosen.max_pixels),
        disk=disk,
        threads=cores(),
        tell=queue.announce,
        journal=Journal(pool),
    )

    def stop(number: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        if chosen.runningmode == "job":
            return _one_session(worker, chosen, flags["sessname"])
        # Measuring and loading a model may take a minute: until then, it is seen to be on its way.
        queue.announce(kind=kind, warm=False)
        recognizer = models.get()
        queue.announce(
            kind=kind,
            model=recognizer.card.name,
            engine=recognizer.engine.name,
            plan=str(recognizer.engine.plan),
            measured=dict(recognizer.engine.speed_record),
            batch=min(chosen.batch, recognizer.max_batch),
            warm=True,
        )
        log.info("watching %s with %s on %s", pool, recognizer.card.name, recognizer.engine.name)
        worker.run(chosen.checktimeperiod)
        log.info("stopped")
        return 0
    finally:
        worker.close()


def _one_session(worker: Worker, chosen: Settings, name: str) -> int:
    if not name:
        raise ConfigError("--runningmode=job needs --sessname, the session to run")
    try:
        session = Session(chosen.sessionpath, name)
        worker.run_session(name)
        state = session.state
    except ScaiError as error:
        raise ConfigError(f"session {name}: {error.message}") from error
    return 0 if state in FINAL else 1
