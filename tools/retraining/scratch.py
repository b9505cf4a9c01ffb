"""Learning a small network from nothing, for a number of epochs or until a clock says stop.

The learning rate follows the share of the time that is over, so a training on a busy machine
makes fewer steps and yet ends as it should.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from tools.files import publish
from tools.training import Ahead, Batch, Checkpoint

_ENDLESS = 1 << 40  # steps
_SMALL_UNTIL = 0.4  # of the time: pictures are learned from at three quarters of their side
_MOMENTUM = 0.9


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    minutes: of learning, over all resumed trainings; else `steps` count
    rate: highest learning rate; reached after `warm_up` of the time, then falls to zero
    """

    steps: int = 0
    minutes: float = 0.0
    batch: int = 256
    rate: float = 0.25
    warm_up: float = 0.15
    decay: float = 5e-3
    smoothing: float = 0.1
    average: float = 0.998
    seed: int = 0
    augment: bool = True
    checkpoint_every: float = 60.0  # seconds

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that is over, 0..1."""
        return seconds / (60 * self.minutes) if self.minutes else step / self.steps

    def rate_at(self, progress: float) -> float:
        if progress < self.warm_up:
            return self.rate * max(0.05, progress / self.warm_up)
        done = min(1.0, (progress - self.warm_up) / (1 - self.warm_up))
        return self.rate * (0.5 * (1 + float(np.cos(np.pi * done))) + 1e-3)


@dataclass
class History:
    """The learning curve, a point every ten seconds; kept beside the checkpoint."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "History":
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        publish(path, json.dumps({"step": self.step, "loss": self.loss}))


def batches(
    images: np.ndarray, labels: np.ndarray, plan: Schedule
) -> Callable[[np.random.Generator, int], Batch]:
    """Step -> ((b, h, w, 3) float32 -1..1, (b,) labels): every picture once an epoch."""
    side = images.shape[1]
    per_epoch = max(1, len(images) // plan.batch)
    first_flip = np.random.default_rng(plan.seed).integers(0, 2, len(images))
    offsets = np.arange(side)

    def make(rng: np.random.Generator, step: int) -> Batch:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((plan.seed, 1, epoch)).permutation(len(images))
        picked = order[place * plan.batch : (place + 1) * plan.batch]
        some = images[picked]
        if plan.augment:
            pad = side // 8
            some = np.pad(some, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
            corner = rng.integers(0, 2 * pad + 1, (2, len(picked), 1))
            rows, columns = corner[0] + offsets, corner[1] + offsets
            # Each picture is seen from the other side every other epoch.
            turned = (first_flip[picked] + epoch) % 2 == 1
            columns[turned] = columns[turned, ::-1]
            some = some[np.arange(len(picked))[:, None, None], rows[:, :, None], columns[:, None]]
            _cut_out(some, rng)
        return some.astype(np.float32) / 127.5 - 1, labels[picked]

    return make


def _cut_out(images: np.ndarray, rng: np.random.Generator) -> None:
    """Grey squares of a quarter of the side, so that no single part decides."""
    side = images.shape[1]
    size = side // 4
    corners = rng.integers(0, side - size + 1, (len(images), 2))
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + size, left : left + size] = 128


def train(
    model: tf.keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    plan: Schedule,
    checkpoint: Path,
    resume: bool = False,
    class_weights: np.ndarray | None = None,
) -> History:
    """Train in place; the model ends up with the running mean of its weights.

    class_weights: (classes,) float32
    """
    classes = model.output_shape[-1]
    weights = np.ones(classes) if class_weights is None else class_weights
    optimizer = _optimizer(model, plan)
    mean = [tf.Variable(w, trainable=False) for w in model.weights]
    spent = tf.Variable(0.0)  # seconds
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    saved = Checkpoint(checkpoint, [*model.weights, *optimizer.variables, *mean, spent])
    first = saved.restore() if resume else 0
    before, start = float(spent.numpy()), time.monotonic()
    step_once = _compiled(model, optimizer, mean, plan, tf.constant(weights, tf.float32))
    small = [images.shape[1] * 3 // 4 // 4 * 4] * 2 if images.shape[1] >= 32 else None
    curve = checkpoint.with_suffix(".curve.json")
    history = History.read(curve) if first else History()
    step, told, kept = first, start, start
    with Ahead(batches(images, labels, plan), plan.seed, first, _ENDLESS) as ready:
        try:
            while (done := plan.progress(step, before + time.monotonic() - start)) < 1:
                optimizer.learning_rate.assign(plan.rate_at(done))
                x, y = (tf.convert_to_tensor(a) for a in ready.next())
                if small and done < _SMALL_UNTIL:
                    x = tf.image.resize(x, small, antialias=True)
                loss = float(
                    step_once(x, y, tf.constant(min(plan.average, (1 + step) / (10 + step))))
                )
                step += 1
                now = time.monotonic()
                if now - told > 10:
                    told = now
                    history.step.append(step)
                    history.loss.append(loss)
                    left = (before + now - start) * (1 / max(done, 1e-6) - 1)
                    click.echo(
                        f"step {step}  loss {loss:.3f}  {done:.1%}  {left / 60:.1f} min left"
                    )
                if now - kept > plan.checkpoint_every:
                    kept = now
                    spent.assign(before + now - start)
                    saved.save(step)
                    history.write(curve)
        except KeyboardInterrupt:
            spent.assign(before + time.monotonic() - start)
            saved.save(step)
            history.write(curve)
            raise click.ClickException(f"stopped; --resume goes on from {checkpoint}.") from None
    spent.assign(before + time.monotonic() - start)
    saved.save(step)
    history.write(curve)
    for source, target in zip(mean, model.weights, strict=True):
        target.assign(source)
    return history


def _optimizer(model: tf.keras.Model, plan: Schedule) -> tf.keras.optimizers.Optimizer:
    optimizer = tf.keras.optimizers.SGD(
        plan.rate, momentum=_MOMENTUM, nesterov=True, weight_decay=plan.decay, global_clipnorm=10.0
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(model.trainable_variables)
    return optimizer


def _compiled(
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Optimizer,
    mean: list[tf.Variable],
    plan: Schedule,
    class_weights: tf.Tensor,
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    classes = len(class_weights)

    @tf.function(reduce_retracing=False)
    def step_once(x: tf.Tensor, y: tf.Tensor, past: tf.Tensor) -> tf.Tensor:
        wanted = tf.one_hot(y, classes) * (1 - plan.smoothing) + plan.smoothing / classes
        with tf.GradientTape() as tape:
            logits = tf.cast(model(x, training=True), tf.float32)
            each = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            value = tf.reduce_mean(each * tf.gather(class_weights, y))
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for m, w in zip(mean, model.weights, strict=True):
            m.assign(past * m + (1 - past) * tf.convert_to_tensor(w))
        return value

    return step_once
