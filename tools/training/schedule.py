"""The length and the learning rate of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Schedule:
    """Length and learning rate of a training.

    steps: batches in all; ignored if `minutes` is given
    minutes: learning time, resumed trainings included; a busy machine makes fewer steps of the
        same schedule
    rate: highest learning rate
    warm_up_steps, warm_up_share: the rate rises for so many steps, or this share of the training,
        0..1; at most one of them is not 0
    first, last: rate at the first step and at the end, as shares of `rate`
    fall: shape of the rate between its highest point and the end
    seed: random seed of the batches
    """

    rate: float
    steps: int = 0
    minutes: float = 0.0
    warm_up_steps: int = 0
    warm_up_share: float = 0.0
    first: float = 0.0
    last: float = 0.0
    fall: Literal["cosine", "linear"] = "cosine"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps <= 0 and self.minutes <= 0:
            raise ValueError(f"expected steps or minutes above 0, got {self}")

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that is over after `step` steps, 0..1 and beyond."""
        return seconds / (60 * self.minutes) if self.minutes else step / self.steps

    def rate_at(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of a step that begins after `seconds` of learning."""
        progress = min(1.0, self.progress(step, seconds))
        if step < self.warm_up_steps:
            return self.rate * (self.first + (1 - self.first) * (step + 1) / self.warm_up_steps)
        if progress < self.warm_up_share:
            return self.rate * (self.first + (1 - self.first) * progress / self.warm_up_share)
        start = self._warm_up_end()
        done = max(0.0, (progress - start) / (1 - start)) if progress < 1 else 1.0
        left = 0.5 * (1 + math.cos(math.pi * done)) if self.fall == "cosine" else 1 - done
        return self.rate * (self.last + (1 - self.last) * left)

    def _warm_up_end(self) -> float:
        """Progress at which the rate begins to fall; with a time limit, the steps are unknown."""
        if self.warm_up_share or self.minutes:
            return self.warm_up_share
        return min(1.0, self.warm_up_steps / self.steps)
