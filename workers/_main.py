"""The command line of every worker program, and how a worker runs."""

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
from scai.kinds import Kind
from scai.models import cards
from scai.monitoring.journal import Journal
from scai.pictures.header import DEFAULT_LIMITS, Limits
from scai.processes import EXIT_BROKEN, EXIT_CONFIG, EXIT_LATER, die_with_parent
from scai.recognition.loaded_models import ModelCache
from scai.recognition.recognizer import Recognizer
from scai.settings import Settings
from scai.storage.disk import Disk, may_pass
from scai.storage.session import FINAL, Session
from scai.storage.start_check import check_folders
from scai.worker.decoders.helper import Terms
from scai.worker.decoders.pool import HelperPool
from scai.worker.decoding import DECODERS
from scai.worker.heartbeat import Heartbeat
from scai.worker.pipeline import Worker, WorkerBroken
from scai.worker.watchdog import TimeLimits

log = logging.getLogger(__name__)

Build = Callable[[cards.ModelCard, int], Recognizer]

# Flag of the worker -> name of the setting.
_SETTINGS = {
    "usedconfig": "usedconfig",
    "checktimeperiod": "checktimeperiod",
    "sesspath": "sessionpath",
    "runningmode": "runningmode",
    "batch": "batch",
}


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags of the original's worker programs to a command."""
    for option in reversed(
        (
            click.option("--config", type=click.Path(), help="Models file (ini)."),
            click.option(
                "--usedconfig", help="Section of the models file to load (default: default)."
            ),
            click.option("--poolingdir", type=click.Path(), help="Folder of the queue."),
            click.option("--sesspath", type=click.Path(), help="Folder of the sessions."),
            click.option(
                "--checktimeperiod",
                "--checktimeperoid",
                help="Seconds between two reads of the queue folder (default: 2).",
            ),
            click.option(
                "--runningmode",
                type=click.Choice(["runtime", "job"]),
                help="runtime: stay and watch the queue; job: run --sessname and exit.",
            ),
            click.option("--sessname", default="", help="Session to run in job mode."),
            click.option(
                "--batch", help="Maximum number of pictures in an inference batch (default: 8)."
            ),
        )
    ):
        command = option(command)
    return command


def start(main: Callable[[], None]) -> None:
    """Run a worker program, then exit without the libraries' own clean-up.

    Their clean-up takes longer than a picture, and every verdict is on the disk by then.
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
    """Run a worker of `kind` until a signal stops it; exits the process with its status.

    `flags` are the values of `options`; a flag that is named like a key of the model's section
    replaces its value. With `image`, the result of that one file is printed instead.
    """
    die_with_parent()
    if not gc.isenabled():
        # Everything loaded so far stays to the end, so no collection has to visit it again.
        gc.freeze()
        gc.enable()
    try:
        values = settings.load({name: flags.get(flag) for flag, name in _SETTINGS.items()})
        logs.set_up(kind, values.loglevel, values.logformat)
        if kind not in values.kinds:
            kinds = ", ".join(values.kinds)
            raise ConfigError(
                f"expected one of the kinds {kinds}, got {kind!r}; "
                "SCAI_WORKERSPATH names a folder of others"
            )
        config = Path(flags.get("config") or values.models_file(kind))

        def load(section: str) -> Recognizer:
            overrides = flags if section == default else {}
            card = cards.load_card(config, section, kind, overrides)
            policy = speed_policy(values, at_start=section == default and not one)
            return build(replace(card, speed_policy=policy), batch)

        one = image is not None or values.runningmode == "job"
        # An engine that expects one picture at a time starts faster.
        batch = 1 if one else values.batch
        default = cards.resolve(config, values.usedconfig)
        models = ModelCache(
            load, default, values.max_models, resolve=lambda name: cards.resolve(config, name)
        )
        if image is not None:
            sys.exit(_one_file(values.kinds[kind], models.get(), image))
        sys.exit(_serve(values.kinds[kind], models, values, flags))
    except (ConfigError, EngineError, BadImage) as error:
        click.echo(f"{kind}: {error.message}", err=True)
        sys.exit(EXIT_CONFIG)
    except OSError as error:
        click.echo(f"{kind}: {error.filename or 'the disk'}: {error.strerror}", err=True)
        sys.exit(EXIT_LATER if may_pass(error) else EXIT_CONFIG)


def speed_policy(values: Settings, *, at_start: bool) -> cards.SpeedPolicy:
    """What may be done to run a model faster: speed trials only when a resident worker starts.

    A job that names another model waits while it is loaded, and so do all jobs behind it: that
    model runs by an earlier speed record, or by its engine's default plan.
    """
    return cards.SpeedPolicy(values.cachepath, use=values.measure == "on", run_trials=at_start)


def _one_file(kind: Kind, recognizer: Recognizer, image: Path) -> int:
    try:
        data = image.read_bytes()
    except OSError as error:
        raise BadImage(f"{image}: {error.strerror}") from error
    picture = DECODERS[kind.input_type].decode(data, DEFAULT_LIMITS, recognizer.needed_sides)
    [result] = recognizer.recognize([picture.pixels])
    click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=1))
    return 0


def _serve(kind: Kind, models: ModelCache, values: Settings, flags: Mapping[str, Any]) -> int:
    pool = Path(flags.get("poolingdir") or values.pool(kind.name))
    disk = Disk(values.durability)
    resident = values.runningmode != "job"
    if resident:
        # In job mode, the portal has made sure of the folders.
        check_folders(values.sessionpath, {values.pool_setting(kind.name): pool})
    queue = queues.open(values, kind.name, pool=pool, doorbell=resident, disk=disk)
    heartbeat = Heartbeat(queue.beat, load_timeout=values.load_timeout, tell=queue.announce)
    models.while_loading = heartbeat.loading
    limits = Limits(values.max_upload_bytes, values.max_pixels)
    decoder = DECODERS[kind.input_type]

    def end() -> None:
        """End a process of job mode whose only job has its failure, while a thread hangs in it."""
        if not resident:
            logging.shutdown()
            os._exit(0)

    worker = Worker(
        queue,
        models,
        values.sessionpath,
        batch=values.batch,
        batch_wait=values.batch_wait,
        max_attempts=values.max_attempts,
        limits=limits,
        decoder=decoder,
        helpers=HelperPool(
            Terms(decoder.name, limits, values.decode_deadline, values.decode_memory_bytes),
            keep=cores(),
        ),
        draws=kind.draws,
        disk=disk,
        threads=cores(),
        heartbeat=heartbeat,
        canary_period=values.ready_within / 3,
        times=TimeLimits(
            values.job_deadline, values.queue_deadline, values.worker_timeout, values.lease / 2
        ),
        when_expired=end,
        journal=Journal(pool),
    )

    def stop(number: int, frame: FrameType | None) -> None:
        worker.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        if values.runningmode == "job":
            return _one_session(worker, values, flags["sessname"])
        # Loading a model and trying engines may take a minute; the status shows it meanwhile.
        worker.announce(kind=kind.name, warm=False)
        recognizer = models.get()
        worker.recognise_canary()
        worker.announce(
            kind=kind.name,
            model=recognizer.card.name,
            engine=recognizer.engine.name,
            plan=str(recognizer.engine.plan),
            measured=dict(recognizer.engine.speed_record),
            batch=min(values.batch, recognizer.max_batch),
            warm=True,
        )
        log.info("watching %s with %s on %s", pool, recognizer.card.name, recognizer.engine.name)
        worker.run(values.checktimeperiod)
        log.info("stopped")
        return 0
    except WorkerBroken:
        return EXIT_BROKEN
    finally:
        worker.close()


def _one_session(worker: Worker, values: Settings, name: str) -> int:
    if not name:
        raise ConfigError("--runningmode=job needs --sessname, the session to run")
    try:
        session = Session(values.sessionpath, name)
        worker.run_session(name)
        state = session.state
    except ScaiError as error:
        raise ConfigError(f"session {name}: {error.message}") from error
    # It was given back, because the disk is full or somebody else works on it.
    return 0 if state in FINAL else EXIT_LATER
