"""The options of `scai train-detector`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tools.common import install
from tools.common.errors import UserError


@dataclass(frozen=True)
class TrainingOptions:
    """The flags of the command line, by their names; None where a flag was not given.

    image_size: pixels. See `scai train-detector --help`.
    """

    data: Path
    images: Path | None
    label_map: Path | None
    out: Path
    start: Path | None
    image_size: int
    width: float
    epochs: int | None
    how_many_training_steps: int | None
    minutes: float | None
    batch_size: int
    learning_rate: float
    flip_vertical: bool
    zoom: float
    mosaic: float
    colour: float
    validation_percentage: int
    learn_from_validation: bool
    patience: int
    keep_best: bool
    nms_overlap: float | None
    nms_inside: float | None
    seed: int
    bfloat16: bool
    resume: bool
    checkpoint: Path
    licence: str
    install_as: str | None
    config: Path
    force: bool

    @property
    def name(self) -> str:
        """Name of the model: of its files and of its section."""
        return self.install_as or self.out.name

    def check(self) -> None:
        """Check the options before the training. Raises UserError."""
        install.check(self)
        if self.image_size < 64 or self.image_size % 32:
            raise UserError(f"--image_size {self.image_size}: expected 64, 96, 128, ...")
        if sum(map(bool, (self.epochs, self.how_many_training_steps, self.minutes))) > 1:
            raise UserError("expected one of --epochs, --how_many_training_steps and --minutes.")
