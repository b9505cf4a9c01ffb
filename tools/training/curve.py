"""The learning curve: the loss during a training, and how good the network was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class LearningCurve:
    """What was recorded during a training; JSON-ready, and kept in its checkpoint.

    step, loss: the smoothed loss after so many steps, a point every ten seconds
    evaluations: numbers by name, each time with "step", in the order of the steps
    earlier: how many of the evaluations belong to runs that this one resumed
    """

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    earlier: int = 0

    def add_loss(self, step: int, loss: float) -> None:
        """Add a point to the loss."""
        self.step.append(step)
        self.loss.append(round(loss, 5))

    def add_evaluation(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add what was measured after `step` steps."""
        self.evaluations.append({"step": step, **numbers})

    def series(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of one of the numbers, for a plot."""
        points = [(int(e["step"]), e[name]) for e in self.evaluations]
        return [step for step, _ in points], [value for _, value in points]

    def last(self, name: str) -> float | None:
        """The newest value of one of the numbers."""
        return self.evaluations[-1][name] if self.evaluations else None
