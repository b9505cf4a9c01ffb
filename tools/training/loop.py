"""The training loop of the detectors and digits: time left, checkpoints, a clean way to stop.

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

from tools.training.checkpoint import Checkpoint
from tools.training.diary import Diary, Watch

Batch = tuple[np.ndarray, ...]
MakeBatch = Callable[[np.random.Generator, int], Batch]  # randomness, step
Loss = Callable[[tf.Tensor, Batch], tf.Tensor]
_ENDLESS = 1 << 40  # steps


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    steps: batches in all; or else
    minutes: of learning, over all resumed trainings: a busy machine makes fewer steps of the same
        schedule
    rate: highest learning rate; rises over `warm_up` steps, then falls to zero along a cosine
    average: weight of the past in the running mean of the weights, which is what is exported
    """

    steps: int = 0
    rate: float = 2e-3
    warm_up: int = 100
    average: float = 0.998
    decay: float = 1e-4
    seed: int = 0
    checkpoint_every: float = 60.0  # seconds
    minutes: float = 0.0

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that is over, 0..1 and beyond."""
        return seconds / (60 * self.minutes) if self.minutes else step / self.steps

    def rate_at(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of a step begun after `seconds` of learning."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        if self.minutes:
            done = min(1.0, self.progress(step, seconds))
        return self.rate * 0.5 * (1 + float(np.cos(np.pi * done))) + 1e-6


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
    watch: Watch | None = None,
) -> list[str]:
    """Train `model` in place; it ends up with the running mean of its weights.

    loss: (what the model says of batch[0], the whole batch) -> scalar
    told: the arguments that decide the outcome, as a card may show them
    at_checkpoint: called with the step after each save, the model holding the running mean
    watch: judges the running mean on the way, and may end the training or choose what is kept

    Gives `told` of this training and of those it resumed, first to last.
    """
    optimizer = tf.keras.optimizers.AdamW(plan.rate, weight_decay=plan.decay, global_clipnorm=10.0)
    optimizer.build(model.trainable_variables)
    mean = [tf.Variable(w, trainable=False) for w in model.weights]
    best = [tf.Variable(w, trainable=False) for w in mean] if watch and watch.keep_best else []
    saved = Checkpoint(checkpoint, [*model.weights, *optimizer.variables, *mean, *best])
    first = saved.restore() if resume else 0
    if first == 0:
        _copy(model.weights, mean)
    if told not in saved.legs[-1:]:
        saved.legs.append(told)
    diary = saved.diary
    step_once = _compiled_step(model, loss, optimizer, mean, plan)
    clock = _Progress(first, plan, saved.seconds)
    last_save = time.monotonic()
    step = first
    with Ahead(make, plan.seed, first, _ENDLESS if plan.minutes else plan.steps) as batches:
        try:
            while plan.progress(step, clock.seconds) < 1:
                optimizer.learning_rate.assign(plan.rate_at(step, clock.seconds))
                batch = tuple(tf.convert_to_tensor(a) for a in batches.next())
                past = min(plan.average, (1 + step) / (10 + step))
                value = step_once(batch, tf.constant(past))
                step += 1  # before anything is said, so that no Ctrl-C lets a step be made twice
                clock.tell(step, value, diary)
                saved.seconds = clock.seconds
                done = plan.progress(step, clock.seconds)
                if watch and (watch.due(diary, done) or done >= 1):
                    with _lent(model, mean):
                        facts = diary.judged_at(step, done, watch.judge())
                    click.echo("  ".join(f"{k} {v:.4g}" for k, v in facts.items()))
                    if best and diary.best(watch.by) is facts:
                        _copy(mean, best)
                    if watch.enough(diary):
                        click.echo(f"{watch.by} rises no more; stopped early.")
                        break
                if time.monotonic() - last_save > plan.checkpoint_every:
                    saved.save(step)
                    if at_checkpoint:
                        with _lent(model, mean):
                            at_checkpoint(step)
                    last_save = time.monotonic()
        except KeyboardInterrupt:
            saved.save(step)
            raise click.ClickException(f"stopped; --resume goes on from {checkpoint}.") from None
    saved.save(step)
    _copy(best or mean, model.weights)
    if watch:
        watch.diary = diary
    return saved.legs


def _copy(source: list[tf.Variable], target: list[tf.Variable]) -> None:
    for s, t in zip(source, target, strict=True):
        t.assign(s)


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
    """One line every ten seconds: how far, how well, how long yet.

    seconds: of learning so far, those before a resume as well
    """

    def __init__(self, first: int, plan: Plan, before: float, every: float = 10.0) -> None:
        self._first, self._plan, self._before, self._every = first, plan, before, every
        self._start = self._told = time.monotonic()
        self._mean: float | None = None

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._start

    def tell(self, step: int, value: tf.Tensor, diary: Diary) -> None:
        """`step` steps are made, the last with a loss of `value`."""
        now = float(value)
        self._mean = now if self._mean is None else 0.98 * self._mean + 0.02 * now
        clock, plan = time.monotonic(), self._plan
        last = not plan.minutes and step == plan.steps
        if clock - self._told < self._every and not last:
            return
        self._told = clock
        diary.step.append(step)
        diary.loss.append(self._mean)
        if plan.minutes:
            left, of = 60 * plan.minutes - self.seconds, ""
        else:
            each = (clock - self._start) / (step - self._first)
            left, of = each * (plan.steps - step), f"/{plan.steps}"
        left = max(left, 0)
        click.echo(
            f"step {step}{of}  loss {self._mean:.4f}  "
            f"{int(left // 60)} min {int(left % 60):02d} s left"
        )
