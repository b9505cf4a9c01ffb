"""What the command line of `scai retrain` asks for, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.retrain.bases import Function


@dataclass(frozen=True)
class Wishes:
    """The flags of the command line, by their names; None where not given.

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
        """Of the model: its files and its section are called so."""
        return self.install_as or self.out.name

    def steps(self, count: int, default: int) -> int:
        """Batches in all, for `count` pictures; `default` where neither flag says it."""
        if self.epochs:
            return self.epochs * max(1, count // self.batch_size)
        return self.how_many_training_steps or default


@dataclass(frozen=True)
class Learned:
    """A classifier, ready to be written.

    served: (b, side, side, 3) float32 (pixel - mean) / std -> (b, classes) probabilities
    model: the same as a Keras model, or None where it cannot be one
    side: pixels. mean, std: of pixels 0..255. resize: as RESIZE in a model's section
    summary: a sentence for the card
    curves: name -> (steps, values), the lines of curves.png
    """

    served: Function
    model: Any
    side: int
    mean: float
    std: float
    resize: str
    summary: str
    curves: dict[str, tuple[list[int], list[float]]]
