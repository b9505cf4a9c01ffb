"""What the command line of `scai quantize` asks for, and what of it cannot be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scai import settings
from scai.models.cards import CLASSIFICATION, DETECTION
from tools.common.errors import UserError
from tools.models import shelf as model_shelf
from tools.models.shelf import Shelf
from tools.shrink.subject import Subject

SHORT = {"classification": CLASSIFICATION, "detection": DETECTION}
MODES = ("dynamic", "float16", "int8", "float32")
RESIZE = ("bilinear", "area", "tf1", "letterbox")
_OF_CARD = "labels input_layer output_layer input_height input_width input_mean input_std resize"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Wish:
    """The command line."""

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
    def wanted(self) -> tuple[str, ...]:
        """The modes, each once; unless stated all that can be had."""
        usual = MODES[:3] if self.calibration else MODES[:2]
        return tuple(dict.fromkeys(self.modes or usual))

    @property
    def is_file(self) -> bool:
        return self.out.suffix.lower() == ".tflite"

    def of_card(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _OF_CARD.split()}


def check(wish: Wish) -> None:
    """Refuse before any work what cannot come to a good end. Raises UserError."""
    if "int8" in wish.wanted and wish.calibration is None:
        raise UserError("--mode int8: expected --calibration with pictures to see the ranges from.")
    if wish.io == "uint8" and wish.wanted != ("int8",):
        raise UserError("--io uint8: expected --mode int8 alone.")
    if wish.is_file and len(wish.wanted) > 1:
        raise UserError(f"--out {wish.out}: expected a folder for {', '.join(wish.wanted)}.")
    if not wish.is_file and not _NAME.fullmatch(wish.out.name):
        raise UserError(f"--out {wish.out}: expected a name of letters, digits, - and _.")
    if wish.out.exists() and not wish.force:
        raise UserError(f"--out {wish.out}: is there already; --force replaces it.")
    if wish.out.exists() and wish.out.is_dir() == wish.is_file:
        raise UserError(f"--out {wish.out}: expected a {'file' if wish.is_file else 'folder'}.")
    if wish.input_std == 0:
        raise UserError("option --input_std: expected a number other than 0, got 0.")
    if wish.labels is not None and not wish.labels.is_file():
        raise UserError(f"option --labels: expected a file, got {str(wish.labels)!r}.")
    if wish.install_as:
        model_shelf.check_name(wish.install_as)
        if len(wish.wanted) > 1:
            raise UserError("--install: expected one --mode, the one to install.")


def check_found(wish: Wish, found: Subject) -> None:
    if wish.out.resolve() in (found.path.resolve(), *found.path.resolve().parents):
        raise UserError(f"--out {wish.out}: expected a place that does not hold the model itself.")
    if wish.io == "uint8" and found.card.kind == DETECTION:
        raise UserError("--io uint8: expected a classifier; the boxes of a detector stay float32.")
    if found.card.labels is None and (wish.data or wish.install_as):
        raise UserError(f"{found.path}: expected a label file; name it with --labels.")
    if wish.install_as:
        shelf(wish, found.card.kind).check_free(wish.install_as, found.card.kind, force=wish.force)


def shelf(wish: Wish, kind: str) -> Shelf:
    """Where --install puts a model of this kind."""
    return Shelf({kind: wish.config}) if wish.config else Shelf.of(settings.load())
