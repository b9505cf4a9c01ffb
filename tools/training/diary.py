"""What a training saw of itself: the loss on the way, how good it was, when to end it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Diary:
    """The learning curve; JSON-ready, and kept in the checkpoint.

    step, loss: the loss every ten seconds, smoothed
    judged: what was measured on the way, by name; always with "step" and "done", the share of the
        training that was over
    """

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    judged: list[dict[str, float]] = field(default_factory=list)

    def judged_at(self, step: int, done: float, facts: Mapping[str, float]) -> dict[str, float]:
        """Write down what was measured."""
        self.judged.append({"step": step, "done": min(done, 1.0), **facts})
        return self.judged[-1]

    def best(self, by: str) -> dict[str, float] | None:
        """The earliest measurement with the largest number called `by`."""
        return max(self.judged, key=lambda facts: facts[by], default=None)


@dataclass
class Watch:
    """Who judges a training on the way.

    judge: numbers by name, of the running mean of the weights
    by: the number to choose by, larger being better
    every: share of the training between two judgements
    patience: end after so many judgements in a row without a better one; 0: never
    keep_best: export the weights of the best judgement, not those of the last
    diary: of the training, once it has ended
    """

    judge: Callable[[], Mapping[str, float]]
    by: str
    every: float = 0.1
    patience: int = 0
    keep_best: bool = False
    diary: Diary = field(default_factory=Diary)

    def due(self, diary: Diary, done: float) -> bool:
        """Whether it is time to judge again."""
        return done >= (diary.judged[-1]["done"] if diary.judged else 0.0) + self.every

    def enough(self, diary: Diary) -> bool:
        """Whether the training has stopped to get better."""
        best = diary.best(self.by)
        if not self.patience or best is None or best[self.by] <= 0:  # nothing is learned yet
            return False
        return sum(facts["step"] > best["step"] for facts in diary.judged) >= self.patience
