"""The training loop: time limits, checkpoints, validation, early stopping, a clean way to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import click
import numpy as np

from tools.common.progress import Progress
from tools.training import checkpoint
from tools.training.checkpoint import State
from tools.training.prefetch import Batch, MakeBatch, Prefetch
from tools.training.schedule import Schedule
from tools.training.validation import Validation

CHECKPOINT_EVERY = 60.0  # seconds
_SMOOTHING = 50  # steps that the smoothed loss is averaged over, about


class Learner(Protocol):
    """A model that learns, and the weights to export."""

    def step(self, batch: Batch, rate: float, step: int, progress: float) -> float:
        """Learn from a batch; the loss. `progress`: share of the training that is over, 0..1."""
        ...

    def averaged(self) -> AbstractContextManager[None]:
        """Within this context the model holds the weights that would be exported."""
        ...

    def remember(self) -> None:
        """Keep the weights that would be exported now as the best ones."""
        ...

    def finish(self) -> None:
        """Leave the weights to export in the model: the best ones if any were remembered."""
        ...

    def arrays(self) -> list[np.ndarray]:
        """Return the state that a resumed training needs."""
        ...

    def restore(self, arrays: Sequence[np.ndarray]) -> None:
        """Restore the state returned by `arrays`.

        Raises ValueError if it belongs to a different network.
        """
        ...


class Training:
    """A training under way; `run` makes all its steps, `step` one.

    make: random generator and step -> the batch of that step
    validation: measures the model on the way; it may end the training and choose the weights
    path: the checkpoint; None: the training cannot be resumed
    options: the options that decide the outcome, as a card may state them
    """

    def __init__(
        self,
        learner: Learner,
        make: MakeBatch,
        schedule: Schedule,
        validation: Validation | None = None,
        path: Path | None = None,
        options: str = "",
        resume: bool = False,
        say: Callable[[str], object] = click.echo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.learner, self.schedule, self.state = learner, schedule, State()
        if resume and path and path.exists():
            self.state = _restored(path, learner)
        self.state.begin_run(options)
        self._make, self._validation, self._path = make, validation, path
        self._say, self._clock = say, clock
        self._loss: float | None = None
        self._stopped = validation is not None and validation.exhausted(self.state.curve)
        self._begin()

    @property
    def progress(self) -> float:
        """The share of the training that is over, 0..1 and beyond."""
        return self.schedule.progress(self.state.step, self.state.seconds)

    @property
    def finished(self) -> bool:
        """Whether no step is left to make."""
        return self._stopped or self.progress >= 1

    def run(self) -> State:
        """Make all steps that are left; the learner ends up with the weights to export.

        Raises ClickException after Ctrl-C, when the checkpoint is written; KeyboardInterrupt
        where there is none.
        """
        self._begin()
        with Prefetch(self._make, self.schedule.seed, self.state.step) as batches:
            try:
                while not self.finished:
                    self.step(batches.next())
            except KeyboardInterrupt:
                if self._path is None:
                    raise
                self.save()
                raise click.ClickException(
                    f"stopped; --resume goes on from {self._path}."
                ) from None
        if self._loss is not None and self.state.curve.step[-1:] != [self.state.step]:
            self.state.curve.add_loss(self.state.step, self._loss)
        self.save()
        self.learner.finish()
        return self.state

    def step(self, batch: Batch) -> None:
        """Learn from one batch, and do whatever is due afterwards."""
        state = self.state
        rate = self.schedule.rate_at(state.step, state.seconds)
        loss = self.learner.step(batch, rate, state.step, min(1.0, self.progress))
        # Counted before anything is printed, so that no Ctrl-C lets a step be made twice.
        state.step += 1
        self._tick()
        # In a short training the average must not lag behind.
        share = max(1 / _SMOOTHING, 10 / (10 + state.step - self._first))
        self._loss = loss if self._loss is None else self._loss + share * (loss - self._loss)
        self._report()
        self._validate()
        if self._path and self._clock() - self._saved > CHECKPOINT_EVERY:
            self.save()

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        if self._path:
            checkpoint.save(self._path, self.state, self.learner.arrays())
        self._saved = self._clock()

    def _begin(self) -> None:
        """Count the time from here on."""
        self._first, self._before, self._start = self.state.step, self.state.seconds, self._clock()
        self._saved, self._validated = self._start, min(1.0, self.progress)
        total = None if self.schedule.minutes else self.schedule.steps
        self._line = Progress(total, "steps", say=self._say, clock=self._clock)
        self._line.begin(self.state.step)

    def _tick(self) -> None:
        self.state.seconds = self._before + self._clock() - self._start

    def _report(self) -> None:
        """The progress line, and with it a point of the learning curve, every ten seconds."""
        state, validation = self.state, self._validation
        assert self._loss is not None
        words = [f"loss {self._loss:.4f}"]
        if validation and (value := state.curve.last(validation.by)) is not None:
            words.append(f"{validation.by} {value:.3f}")
        minutes = self.schedule.minutes
        left = 60 * minutes - state.seconds if minutes else None
        if self._line.tell(state.step, "  ".join(words), left):
            state.curve.add_loss(state.step, self._loss)

    def _validate(self) -> None:
        validation, state = self._validation, self.state
        if validation is None or not validation.due(state.step, self._validated, self.progress):
            return
        self._validated = self.progress
        with self.learner.averaged():
            numbers = validation.measure()
        state.curve.add_evaluation(state.step, numbers)
        if validation.announce:
            words = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            self._say(f"step {state.step}: {words}")
        if validation.keep_best and validation.last_is_best(state.curve):
            self.learner.remember()
        if validation.exhausted(state.curve):
            self._say(f"{validation.by} no longer improves: stopped at step {state.step}.")
            self._stopped = True
        self._tick()


def _restored(path: Path, learner: Learner) -> State:
    state, arrays = checkpoint.load(path)
    try:
        learner.restore(arrays)
    except ValueError as error:
        raise click.ClickException(f"{path} is of another network: delete it.") from error
    return state
