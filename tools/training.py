"""The training loop both shipped models use: steps, time left, checkpoints, a clean way to stop.

Step n always sees the batch made from (seed, n), so a resumed run goes on exactly where it was.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

Batch = tuple[np.ndarray, ...]
MakeBatch = Callable[[np.random.Generator, int], Batch]  # randomness, step
Loss = Callable[[tf.Tensor, Batch], tf.Tensor]


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    steps: batches in all
    rate: highest learning rate; rises over `warm_up` steps, then falls to zero along a cosine
    average: weight of the past in the running mean of the weights, which is what is exported
    """

    steps: int
    rate: float = 2e-3
    warm_up: int = 100
    average: float = 0.998
    decay: float = 1e-4
    seed: int = 0
    checkpoint_every: float = 60.0  # seconds

    def rate_at(self, step: int) -> float:
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1 + float(np.cos(np.pi * done))) + 1e-6


class Checkpoint:
    """Step, weights, their running mean and the optimizer's state in one .npz file.

    legs: the arguments of each training so far, for the card: one that was resumed with more
        steps than it was begun with is repeated only by the same trainings in turn
    """

    def __init__(self, path: Path, variables: list[tf.Variable]) -> None:
        self.path = path
        self.legs: list[str] = []
        self._variables = variables

    def save(self, step: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, *[v.numpy() for v in self._variables], step=step, legs=self.legs)
        part.replace(self.path)

    def restore(self) -> int:
        """The step to go on with; 0 where there is no checkpoint."""
        if not self.path.exists():
            return 0
        with np.load(self.path) as saved:
            if len(saved.files) != len(self._variables) + 2:
                raise click.ClickException(f"{self.path} is of another network: delete it.")
            for i, variable in enumerate(self._variables):
                variable.assign(saved[f"arr_{i}"])
            self.legs = [str(leg) for leg in saved["legs"]]
            return int(saved["step"])


class Ahead:
    """Makes batches in a thread while the network computes; a context manager."""

    def __init__(self, make: MakeBatch, seed: int, first: int, steps: int) -> None:
        self._ready: queue.Queue[Batch | Exception] = queue.Queue(maxsize=4)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(make, seed, first, steps))

    def __enter__(self) -> "Ahead":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with suppress(queue.Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join()

    def next(self) -> Batch:
        item = self._ready.get()
        if isinstance(item, Exception):
            raise item
        return item

    def _run(self, make: MakeBatch, seed: int, first: int, steps: int) -> None:
        for step in range(first, steps):
            try:
                item: Batch | Exception = make(np.random.default_rng((seed, step)), step)
            except Exception as e:  # carried over, so that the trainer fails and not just us
                item = e
            while not self._stop.is_set():
                with suppress(queue.Full):
                    self._ready.put(item, timeout=0.2)
                    break
            if self._stop.is_set():
                return


def train(
    model: tf.keras.Model,
    loss: Loss,
    make: MakeBatch,
    plan: Plan,
    checkpoint: Path,
    told: str,
    resume: bool = False,
    at_checkpoint: Callable[[int], None] | None = None,
) -> list[str]:
    """Train `model` in place; it ends up with the running mean of its weights.

    loss: (what the model says of batch[0], the whole batch) -> scalar
    told: the arguments that decide the outcome, as a card may show them
    at_checkpoint: called with the step after each save, the model holding the running mean

    Gives `told` of this training and of those it resumed, first to last.
    """
    optimizer = tf.keras.optimizers.AdamW(plan.rate, weight_decay=plan.decay, global_clipnorm=10.0)
    optimizer.build(model.trainable_variables)
    mean = [tf.Variable(w, trainable=False) for w in model.weights]
    saved = Checkpoint(checkpoint, [*model.weights, *optimizer.variables, *mean])
    first = saved.restore() if resume else 0
    if first == 0:
        _copy(model.weights, mean)
    if told not in saved.legs[-1:]:
        saved.legs.append(told)
    step_once = _compiled_step(model, loss, optimizer, mean, plan)
    clock = _Progress(first, plan.steps)
    last_save = time.monotonic()
    with Ahead(make, plan.seed, first, plan.steps) as batches, _stopped_politely(checkpoint):
        for step in range(first, plan.steps):
            optimizer.learning_rate.assign(plan.rate_at(step))
            batch = tuple(tf.convert_to_tensor(a) for a in batches.next())
            past = min(plan.average, (1 + step) / (10 + step))
            clock.tell(step, step_once(batch, tf.constant(past)))
            if time.monotonic() - last_save > plan.checkpoint_every:
                saved.save(step + 1)
                if at_checkpoint:
                    with _lent(model, mean):
                        at_checkpoint(step + 1)
                last_save = time.monotonic()
    saved.save(plan.steps)
    _copy(mean, model.weights)
    return saved.legs


def _copy(source: list[tf.Variable], target: list[tf.Variable]) -> None:
    for s, t in zip(source, target, strict=True):
        t.assign(s)


@contextmanager
def _stopped_politely(checkpoint: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        known = f"--resume goes on from {checkpoint}" if checkpoint.exists() else "nothing is kept"
        raise click.ClickException(f"stopped; {known}.") from None


def _compiled_step(
    model: tf.keras.Model,
    loss: Loss,
    optimizer: tf.keras.optimizers.Optimizer,
    mean: list[tf.Variable],
    plan: Plan,
) -> Callable[[Batch, tf.Tensor], tf.Tensor]:
    @tf.function
    def step_once(batch: Batch, past: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(model(batch[0], training=True), batch)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for m, w in zip(mean, model.weights, strict=True):
            m.assign(past * m + (1 - past) * tf.convert_to_tensor(w))
        return value

    return step_once


@contextmanager
def _lent(model: tf.keras.Model, weights: list[tf.Variable]) -> Iterator[None]:
    """The model has other weights for a moment."""
    own = model.get_weights()
    model.set_weights([w.numpy() for w in weights])
    try:
        yield
    finally:
        model.set_weights(own)


class _Progress:
    """One line every ten seconds: how far, how well, how long yet."""

    def __init__(self, first: int, steps: int, every: float = 10.0) -> None:
        self._first, self._steps, self._every = first, steps, every
        self._start = self._told = time.monotonic()
        self._mean: float | None = None

    def tell(self, step: int, value: tf.Tensor) -> None:
        now = float(value)
        self._mean = now if self._mean is None else 0.98 * self._mean + 0.02 * now
        clock = time.monotonic()
        if clock - self._told < self._every and step + 1 < self._steps:
            return
        self._told = clock
        done = step + 1 - self._first
        left = (clock - self._start) / done * (self._steps - step - 1)
        click.echo(
            f"step {step + 1}/{self._steps}  loss {self._mean:.4f}  "
            f"{int(left // 60)} min {int(left % 60):02d} s left"
        )
