"""How long and how fast to learn from nothing, and how it went."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.common.files import publish

LOOK = 5  # steps between two looks back at the running mean


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    minutes: of learning, over all resumed trainings; else `steps` count
    rate: highest learning rate for a batch of 1,024, others in proportion; reached after
        `warm_up` of the time, then falls to nearly zero
    patience: validations in a row below the best after which learning ends; 0: never
    """

    steps: int = 0
    minutes: float = 0.0
    batch: int = 512
    rate: float = 1.5
    warm_up: float = 0.23
    decay: float = 9e-3
    smoothing: float = 0.2
    seed: int = 0
    augment: bool = True
    patience: int = 0
    checkpoint_every: float = 60.0  # seconds

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that is over, 0..1."""
        return seconds / (60 * self.minutes) if self.minutes else step / self.steps

    def rate_at(self, progress: float) -> float:
        """Rises from a fifth, then falls to a fifteenth, both in straight lines."""
        highest = self.rate * self.batch / 1024
        if progress < self.warm_up:
            return highest * (0.2 + 0.8 * progress / self.warm_up)
        done = min(1.0, (progress - self.warm_up) / (1 - self.warm_up))
        return highest * (1 - 0.93 * done)

    def past_at(self, progress: float) -> float:
        """Weight of the running mean against the present weights, at each look back."""
        return 0.95**LOOK * min(1.0, progress) ** 3


@dataclass
class History:
    """The learning curves; kept beside the checkpoint.

    step, loss: of the batch at that step, a point every ten seconds
    validated, validation: share of right answers at that step, 0..1
    """

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validated: list[int] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "History":
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        publish(path, json.dumps(asdict(self)))
