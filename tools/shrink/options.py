"""The options of `scai quantize`, and the checks of their values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai import settings
from scai.models.cards import CLASSIFICATION, DETECTION
from tools.common.errors import UserError
from tools.models.installation import Installation, check_name
from tools.shrink.source_model import SourceModel

SHORT = {"classification": CLASSIFICATION, "detection": DETECTION}
MODES = ("dynamic", "float16", "int8", "float32")
RESIZE = ("bilinear", "area", "tf1", "letterbox")
_OF_CARD = "labels input_layer output_layer input_height input_width input_mean input_std resize"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class QuantizeOptions:
    """The options of the command line, as `scai quantize --help` lists them."""

    model: str
    out: Path
    modes: tuple[str, ...]
    calibration: Path | None
    calibration_limit: int
    data: Path | None
    part: str
    limit: int | None
    batch: int
    io: str
    kind: str | None
    labels: Path | None
    input_layer: str
    output_layer: str
    input_height: int | None
    input_width: int | None
    input_mean: float | None
    input_std: float | None
    resize: str | None
    install_as: str
    config: Path | None
    force: bool

    @property
    def modes_to_make(self) -> tuple[str, ...]:
        """The modes, each once; by default all that are possible."""
        usual = MODES[:3] if self.calibration else MODES[:2]
        return tuple(dict.fromkeys(self.modes or usual))

    @property
    def is_file(self) -> bool:
        """Whether --out is one .tflite and no folder."""
        return self.out.suffix.lower() == ".tflite"

    def card_fields(self) -> dict[str, Any]:
        """The options that override fields of a model's card, by field."""
        return {name: getattr(self, name) for name in _OF_CARD.split()}


def check(options: QuantizeOptions) -> None:
    """Refuse options that contradict each other, before any work. Raises UserError."""
    if "int8" in options.modes_to_make and options.calibration is None:
        raise UserError("--mode int8: expected --calibration with pictures to measure ranges with.")
    if options.io == "uint8" and options.modes_to_make != ("int8",):
        raise UserError("--io uint8: expected --mode int8 alone.")
    if options.is_file and len(options.modes_to_make) > 1:
        raise UserError(
            f"--out {options.out}: expected a folder for {', '.join(options.modes_to_make)}."
        )
    if not options.is_file and not _NAME.fullmatch(options.out.name):
        raise UserError(f"--out {options.out}: expected a name of letters, digits, - and _.")
    if options.out.exists() and not options.force:
        raise UserError(f"--out {options.out}: exists already; --force replaces it.")
    if options.out.exists() and options.out.is_dir() == options.is_file:
        raise UserError(
            f"--out {options.out}: expected a {'file' if options.is_file else 'folder'}."
        )
    if options.input_std == 0:
        raise UserError("option --input_std: expected a number other than 0, got 0.")
    if options.labels is not None and not options.labels.is_file():
        raise UserError(f"option --labels: expected a file, got {str(options.labels)!r}.")
    if options.install_as:
        check_name(options.install_as)
        if len(options.modes_to_make) > 1:
            raise UserError("--install: expected one --mode, the one to install.")


def check_source(options: QuantizeOptions, source: SourceModel) -> None:
    """Refuse options that do not fit the model. Raises UserError, ConfigError."""
    if options.out.resolve() in (source.path.resolve(), *source.path.resolve().parents):
        raise UserError(
            f"--out {options.out}: expected a folder that does not hold the model itself."
        )
    if options.io == "uint8" and source.card.kind == DETECTION:
        raise UserError("--io uint8: expected a classifier; the boxes of a detector stay float32.")
    if source.card.labels is None and (options.data or options.install_as):
        raise UserError(f"{source.path}: expected a label file; name it with --labels.")
    if options.install_as:
        installation_of(options, source.card.kind).check_free(
            options.install_as, source.card.kind, force=options.force
        )


def installation_of(options: QuantizeOptions, kind: str) -> Installation:
    """Return the installation that --install adds a model of this kind to."""
    return (
        Installation({kind: options.config}) if options.config else Installation.of(settings.load())
    )
