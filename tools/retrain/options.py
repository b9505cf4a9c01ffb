"""The options of `scai retrain`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RetrainOptions:
    """The flags of the command line, by their names; None where a flag was not given.

    image_size: pixels. validation_percentage, testing_percentage: 0..80.
    learning_rate, batch_size and the like: see `scai retrain --help`.
    """

    image_dir: Path
    out: Path
    base: str | None
    base_layer: str
    base_weights: Path | None
    base_mean: float
    base_std: float
    scratch: bool
    image_size: int | None
    bottleneck_dir: Path
    augment: bool | None
    validation_percentage: int
    testing_percentage: int
    how_many_training_steps: int | None
    epochs: int | None
    minutes: float | None
    learning_rate: float | None
    batch_size: int
    class_weights: bool
    mirror: bool
    ensemble: tuple[Path, ...]
    bfloat16: bool
    seed: int
    resume: bool
    checkpoint: Path
    install_as: str | None
    config: Path
    force: bool

    @property
    def name(self) -> str:
        """Name of the model: of its files and of its section."""
        return self.install_as or self.out.name

    def steps(self, count: int, default: int) -> int:
        """Batches in all for `count` pictures; `default` if neither flag states them."""
        if self.epochs:
            return self.epochs * max(1, count // self.batch_size)
        return self.how_many_training_steps or default
