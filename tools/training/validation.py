"""When to measure a network during its training, and when to end the training early."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tools.training.curve import LearningCurve


@dataclass(frozen=True)
class Validation:
    """How a training is measured on the way.

    measure: numbers by name, of the averaged weights that the model holds during the call
    by: the number that says which weights are best
    lower_is_better: whether a smaller number is a better one
    every: share of the training between two measurements, 0..1
    steps: measure only after multiples of so many steps, and at the end
    patience: end the training after so many measurements in a row below the best; 0: never
    keep_best: export the weights of the best measurement, not the last ones
    announce: print each measurement
    """

    measure: Callable[[], Mapping[str, float]]
    by: str
    lower_is_better: bool = False
    every: float = 0.1
    steps: int = 1
    patience: int = 0
    keep_best: bool = False
    announce: bool = True

    def due(self, step: int, before: float, now: float) -> bool:
        """Whether to measure after `step` steps at progress `now`; `before`: progress last time."""
        if now >= 1:
            return True
        # The sum of many shares of 0.1 falls a little short of a round number.
        passed = int(now / self.every + 1e-9) > int(before / self.every + 1e-9)
        return passed and step % self.steps == 0

    def last_is_best(self, curve: LearningCurve) -> bool:
        """Whether no earlier measurement is as good as the last one."""
        *others, last = [self._rank(e) for e in curve.evaluations]
        return all(last > other for other in others)

    def exhausted(self, curve: LearningCurve) -> bool:
        """Whether the last `patience` measurements of this run are all below the run's best.

        A finished training that goes on for longer learns fast again and is worse at first, so
        the measurements of earlier runs do not count.
        """
        ranks = [self._rank(e) for e in curve.evaluations[curve.earlier :]]
        if not self.patience or len(ranks) <= self.patience:
            return False
        best = max(ranks)
        # Zero: nothing is learned yet.
        return best != 0 and max(ranks[-self.patience :]) < best

    def _rank(self, numbers: Mapping[str, float]) -> float:
        return -numbers[self.by] if self.lower_is_better else numbers[self.by]
