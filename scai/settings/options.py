"""All settings of the server: each field of `Settings` is one row of docs/configuration.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scai import kinds
from scai.errors import ConfigError
from scai.kinds import Kind, OwnSettings

# Room in a request for the form around the pictures, in bytes.
FORM_ROOM = 64 * 1024
# The most results that a client may ask for with top_k.
MAX_RESULTS = 1000


def _option(default: Any, section: str, help: str, **extra: Any) -> Any:
    return dataclasses.field(default=default, metadata={"section": section, "help": help, **extra})


@dataclass(frozen=True)
class Settings:
    """Every setting with its value; made by `load`, passed to whoever needs it."""

    host: str = _option("127.0.0.1", "portal", "address to listen on")
    port: int = _option(5000, "portal", "TCP port to listen on", low=1, high=65535)
    runningmode: str = _option(
        "runtime",
        "portal",
        "runtime: resident workers; job: one process per session",
        choices=("runtime", "job"),
    )
    threads: int = _option(
        256,
        "portal",
        "most requests worked on at once; clients that wait or are slow need no thread",
        low=1,
        high=4096,
    )
    max_upload_mb: float = _option(20.0, "portal", "largest upload in MB (10^6 bytes)", low=0.001)
    max_request_mb: float = _option(
        100.0, "portal", "largest request in MB, for several photos together", low=0.001
    )
    max_form_memory_mb: float = _option(
        256.0,
        "portal",
        "most MB of requests in memory while they arrive, and as many again while their forms are "
        "read; the rest goes to the disk",
        low=1.0,
    )
    max_megapixels: float = _option(
        50.0, "portal", "largest picture in megapixels (10^6 pixels), by its header", low=0.001
    )
    max_batch_photos: int = _option(1000, "portal", "most photos in one batch", low=1, high=100_000)
    max_batch_mb: float = _option(
        500.0, "portal", "largest ZIP in MB, both packed and unpacked", low=0.001
    )
    max_wait: float = _option(60.0, "portal", "longest long poll in seconds", low=0.0)
    ready_within: float = _option(
        60.0,
        "portal",
        "seconds within which a worker of each kind must have recognised a picture for /readyz",
        low=5.0,
    )
    portal_timeout: float = _option(
        30.0,
        "portal",
        "seconds without an answer after which `scai up` replaces the portal",
        low=1.0,
    )
    trusted_hosts: str = _option(
        "",
        "portal",
        "further host names of this server, separated by commas; .name: also all names below it; "
        "*: any name",
    )
    admin: str = _option(
        "local",
        "portal",
        "who is the administrator on the pages: local, a browser on this machine; none, nobody",
        choices=("local", "none"),
    )
    allowed_origins: str = _option(
        "",
        "portal",
        "other sites whose pages may use the API, separated by commas, such as https://lab.example",
    )

    max_connections: int = _option(
        4096,
        "portal",
        "most connections at once; never more than the system's limit on open files allows",
        low=1,
    )
    max_address_connections: int = _option(
        1024, "portal", "most connections at once from one address; 0: no limit", low=0
    )
    header_timeout: float = _option(
        10.0, "portal", "seconds within which the header of a request must arrive", low=0.1
    )
    idle_timeout: float = _option(
        60.0, "portal", "seconds that a connection is kept open between two requests", low=0.1
    )
    min_speed: int = _option(
        1000,
        "portal",
        "lowest speed at which a client sends a body or reads an answer, in bytes a second",
        low=1,
    )
    stall_timeout: float = _option(
        30.0, "portal", "seconds over which that speed is measured", low=0.1
    )

    sessionpath: Path = _option(Path("session"), "queue", "folder of the sessions")
    icpoolpath: Path = _option(
        Path("pooling/image_classification"), "queue", "queue folder of image classification"
    )
    odpoolpath: Path = _option(
        Path("pooling/object_detection"), "queue", "queue folder of object detection"
    )
    durability: str = _option(
        "group",
        "queue",
        "when uploads and results are flushed to the disk",
        choices=("always", "group", "off"),
    )
    max_waiting: int = _option(
        100_000, "queue", "most waiting jobs of one kind; further uploads get 503", low=1
    )
    max_waiting_mb: float = _option(
        20_000.0,
        "queue",
        "most MB of waiting jobs of all kinds; further uploads get 503",
        low=0.001,
    )
    max_waiting_per_client: int = _option(
        50_000,
        "queue",
        "most waiting jobs of one client, known by its address; further ones get 429; 0: no bound",
        low=0,
    )
    max_waiting_mb_per_client: float = _option(
        10_000.0, "queue", "most MB of waiting jobs of one client; 0: no bound", low=0.0
    )
    max_batches_per_client: int = _option(
        1000, "queue", "most batches that one client may make in an hour; 0: no bound", low=0
    )
    min_free_mb: float = _option(
        500.0,
        "queue",
        "free MB that uploads leave, besides room for the verdicts to come; at most a twentieth of "
        "the disk; uploads that would leave less get 507",
        low=0.0,
    )
    min_free_inodes: int = _option(
        10_000,
        "queue",
        "free inodes (room for further files) that uploads leave, besides room for the verdicts "
        "to come; at most a twentieth of all; uploads that would leave fewer get 507",
        low=0,
    )
    max_attempts: int = _option(
        3, "queue", "workers that may die of a job before it is put on hold", low=1
    )
    lease: float = _option(
        60.0,
        "queue",
        "seconds without a heartbeat after which other workers take over a worker's jobs; longer "
        "than the longest inference batch",
        low=3.0,
    )

    job_deadline: float = _option(
        120.0,
        "queue",
        "longest work on one job, in seconds, over all its attempts; 0: no limit",
        low=0.0,
    )
    queue_deadline: float = _option(
        0.0,
        "queue",
        "longest wait of a job before its first attempt, in seconds; 0: no limit",
        low=0.0,
    )

    icconfig: Path = _option(
        Path("usr/image_classification.config"), "worker", "models file of image classification"
    )
    odconfig: Path = _option(
        Path("usr/object_detection.config"), "worker", "models file of object detection"
    )
    usedconfig: str = _option("default", "worker", "section of the models file to load at start")
    checktimeperiod: float = _option(
        2.0, "worker", "seconds between two scans of the queue folder", low=0.01
    )
    batch: int = _option(8, "worker", "most images in one inference batch", low=1, high=256)
    batch_wait: float = _option(
        0.0,
        "worker",
        "longest wait for an inference batch to fill, in seconds; 0: an idle engine never waits",
        low=0.0,
        high=10.0,
    )
    measure: str = _option(
        "on",
        "worker",
        "on: the first start with a model measures which engine and settings are fastest; "
        "off: no measurement",
        choices=("on", "off"),
    )
    cachepath: Path = _option(
        Path(".cache/engines"), "worker", "folder of these measurements and of compiled models"
    )
    decode_deadline: float = _option(
        20.0, "worker", "most processor time to decode one picture, in seconds", low=1.0
    )
    decode_memory_mb: float = _option(
        1500.0, "worker", "most memory to decode one picture, in MB", low=64.0
    )
    max_models: int = _option(
        4, "worker", "most models that one worker keeps loaded, including the default one", low=2
    )
    ic_workers: int = _option(1, "worker", "image classification workers of `scai up`", low=0)
    od_workers: int = _option(1, "worker", "object detection workers of `scai up`", low=0)
    workerspath: str = _option(
        "",
        "worker",
        "one more folder of kinds of recognition, each a <kind>.py and a <kind>.toml; empty: none",
    )
    worker_timeout: float = _option(
        30.0,
        "worker",
        "seconds without a heartbeat after which `scai up` replaces a worker; longer than the "
        "longest inference batch",
        low=1.0,
    )
    load_timeout: float = _option(
        600.0, "worker", "seconds that loading and measuring a model may take", low=1.0
    )
    stop_grace: float = _option(
        20.0,
        "worker",
        "seconds that a worker has to finish its inference batch when it is stopped, before it is "
        "killed",
        low=0.0,
    )
    max_jobs: int = _option(2, "worker", "most processes at once in job mode", low=1)

    keeptimeperiod: float = _option(
        172800.0, "cleaner", "age at which a session is removed: seconds, or 12h, 2d", duration=True
    )
    keep_sessions: int = _option(
        1_000_000,
        "cleaner",
        "most sessions and batches to keep; the oldest verdicts are removed first; 0: no bound",
        low=0,
    )
    keep_mb: float = _option(
        0.0, "cleaner", "most MB of sessions to keep; 0: no bound but the disk", low=0.0
    )
    keep_least: float = _option(
        600.0,
        "cleaner",
        "youngest age at which a verdict may be removed to make room",
        duration=True,
    )
    cleaninterval: float = _option(
        600.0, "cleaner", "seconds between two purges under `scai up`", duration=True, low=1.0
    )

    loglevel: str = _option(
        "INFO", "log", "lowest level to log", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    logformat: str = _option(
        "auto",
        "log",
        "text, json (one object per line), or auto: text on a terminal, else json",
        choices=("auto", "text", "json"),
    )

    def __post_init__(self) -> None:
        if self.icpoolpath == self.odpoolpath:
            raise ConfigError("icpoolpath and odpoolpath must be two folders")
        for kind in self.kinds.values():
            _check_own(kind)
        pools: dict[Path, str] = {}
        for name in self.kinds:
            other = pools.setdefault(self.pool(name), name)
            if other != name:
                raise ConfigError(f"{other} and {name}: expected two queue folders, got one")

    @cached_property
    def kinds(self) -> Mapping[str, Kind]:
        """The kinds of recognition of this installation, by name. Raises ConfigError."""
        return kinds.load(self.workerspath)

    @property
    def max_upload_bytes(self) -> int:
        """The upload limit in bytes."""
        return int(self.max_upload_mb * 1_000_000)

    @property
    def max_request_bytes(self) -> int:
        """The limit of a whole request in bytes: never less than one upload and its form."""
        return int(max(self.max_request_mb, self.max_upload_mb) * 1_000_000) + FORM_ROOM

    @property
    def max_batch_bytes(self) -> int:
        """The limit of a ZIP in bytes, packed and unpacked."""
        return int(self.max_batch_mb * 1_000_000)

    @property
    def max_pixels(self) -> int:
        """The picture limit in pixels."""
        return int(self.max_megapixels * 1_000_000)

    @property
    def decode_memory_bytes(self) -> int:
        """The memory for decoding one picture in bytes."""
        return int(self.decode_memory_mb * 1_000_000)

    def pool(self, kind: str) -> Path:
        """The queue folder of one kind of recognition."""
        own = self._own(kind).pool
        return Path(getattr(self, own)) if own else self.icpoolpath.parent / kind

    def pool_setting(self, kind: str) -> str:
        """The setting that says where the queue of one kind lies, for messages."""
        return self._own(kind).pool or f"the queue folder of {kind}"

    @property
    def pools(self) -> dict[str, Path]:
        """The queue folders of all kinds, by the setting of each."""
        return {self.pool_setting(kind): self.pool(kind) for kind in self.kinds}

    def models_file(self, kind: str) -> Path:
        """The ini file of the models of one kind of recognition."""
        own = self._own(kind).models
        if own:
            return Path(getattr(self, own))
        beside = self.kinds[kind].file.with_suffix(".config") if kind in self.kinds else None
        if beside is not None and beside.exists():
            return beside
        return self.icconfig.parent / f"{kind}.config"

    def worker_count(self, kind: str) -> int:
        """How many workers of one kind of recognition `scai up` runs."""
        own = self._own(kind).workers
        return int(getattr(self, own)) if own else 1

    def _own(self, kind: str) -> OwnSettings:
        return self.kinds[kind].settings if kind in self.kinds else OwnSettings()


def _check_own(kind: Kind) -> None:
    """Raise ConfigError when a kind names a setting that does not exist or has another type."""
    for use, type_ in (("pool", "Path"), ("models", "Path"), ("workers", "int")):
        name = getattr(kind.settings, use)
        names = [option for option, field in OPTIONS.items() if field.type == type_]
        if name and name not in names:
            meaning = "a path" if type_ == "Path" else "a whole number"
            raise ConfigError(
                f"{kind.file}: [settings] {use}: expected a setting that is {meaning}, got {name!r}"
            )


OPTIONS = {field.name: field for field in dataclasses.fields(Settings)}
