"""Learning a small network from nothing, for a number of epochs or until a clock says stop.

The learning rate follows the share of the time that is over, so a training on a busy machine
makes fewer steps and yet ends as it should.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from tools.retrain.views import batches
from tools.training.loop import Ahead, Checkpoint
from tools.training.schedule import LOOK, History, Schedule

_ENDLESS = 1 << 40  # steps
_MOMENTUM = 0.85
_BIASES = 64.0  # how much faster the biases behind the convolutions learn


def train(
    model: tf.keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    plan: Schedule,
    checkpoint: Path,
    resume: bool = False,
    class_weights: np.ndarray | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
) -> History:
    """Train in place; the model ends up with the running mean of its weights.

    images, labels: (n, h, w, 3) uint8, (n,) int; validation: the same, not learned from
    class_weights: (classes,) float32
    """
    learner = _Learner(model, plan, checkpoint, class_weights, validation)
    if resume:
        learner.restore()
    learner.begin = learner.told = learner.kept = time.monotonic()
    first = learner.step
    with Ahead(batches(images, labels, plan), plan.seed, first, _ENDLESS) as ready:
        try:
            while learner.progress() < 1 and not learner.no_better():
                learner.learn(*ready.next())
        except KeyboardInterrupt:
            learner.save()
            raise click.ClickException(f"stopped; --resume goes on from {checkpoint}.") from None
    learner.look_back(1.0)
    if learner.step > first:  # a training that was over already has its last point
        learner.measure()
        learner.save()
    return learner.history


class _Learner:
    """A training under way: network, optimizer, running mean, clock and learning curve."""

    def __init__(
        self,
        model: tf.keras.Model,
        plan: Schedule,
        checkpoint: Path,
        class_weights: np.ndarray | None,
        validation: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:
        classes = model.output_shape[-1]
        weights = np.ones(classes) if class_weights is None else class_weights
        optimizer = tf.keras.optimizers.SGD(
            plan.rate, momentum=_MOMENTUM, nesterov=True, weight_decay=plan.decay
        )
        optimizer.build(model.trainable_variables)
        self.model, self.plan, self.validation = model, plan, validation
        self.optimizer = optimizer
        self.mean = [tf.Variable(w, trainable=False) for w in model.weights]
        self.spent = tf.Variable(0.0)  # seconds, in the trainings that were resumed
        self.step = 0
        self.history = History()
        self.begin = self.told = self.kept = time.monotonic()
        self._measured = 0.0  # progress at the last validation
        self._looked = 0  # validations before this training was resumed
        self._curve = checkpoint.with_suffix(".curve.json")
        self._saved = Checkpoint(
            checkpoint, [*model.weights, *optimizer.variables, *self.mean, self.spent]
        )
        self._once = _compiled(model, optimizer, plan, tf.constant(weights, tf.float32))

    def restore(self) -> None:
        self.step = self._saved.restore()
        if self.step:
            self.history = History.read(self._curve)
            self._looked = len(self.history.validation)

    def seconds(self) -> float:
        return float(self.spent.numpy()) + time.monotonic() - self.begin

    def progress(self) -> float:
        return self.plan.progress(self.step, self.seconds())

    def learn(self, images: np.ndarray, labels: np.ndarray) -> None:
        """One step, and whatever else is due after it."""
        done = self.progress()
        self.optimizer.learning_rate.assign(self.plan.rate_at(done))
        loss = self._once(tf.convert_to_tensor(images), tf.convert_to_tensor(labels))
        self.step += 1
        if self.step % LOOK == 0:
            self.look_back(self.plan.past_at(done))
            if done - self._measured > 0.04:
                self._measured = done
                self.measure()
        now = time.monotonic()
        if now - self.told > 10:
            self.told = now
            self._tell(float(loss), done)
        if now - self.kept > self.plan.checkpoint_every:
            self.save()

    def look_back(self, past: float) -> None:
        """Lookahead (Zhang et al., arXiv:1907.08610): go on from the running mean."""
        for m, w in zip(self.mean, self.model.weights, strict=True):
            if past < 1:
                m.assign(past * m + (1 - past) * tf.convert_to_tensor(w))
            w.assign(m)

    def measure(self) -> None:
        """How many of the validation pictures are answered right; a point of the curve."""
        if self.validation is None or not len(self.validation[0]):
            return
        images, labels = self.validation
        right = 0
        for i in range(0, len(images), 250):
            some = images[i : i + 250].astype(np.float32) / 127.5 - 1
            answers = self.model(some, training=False).numpy().argmax(1)
            right += int((answers == labels[i : i + 250]).sum())
        self.history.validation.append(round(right / len(images), 4))
        self.history.validated.append(self.step)

    def no_better(self) -> bool:
        """Whether the best validation since it was resumed lies `patience` validations back.

        A finished training that goes on for longer learns fast again, and is worse at first.
        """
        seen, patience = self.history.validation[self._looked :], self.plan.patience
        return bool(patience and seen) and int(np.argmax(seen[::-1])) >= patience

    def save(self) -> None:
        self.kept = time.monotonic()
        self.spent.assign(self.seconds())
        self.begin = self.kept
        self._saved.path.parent.mkdir(parents=True, exist_ok=True)
        self._saved.save(self.step)
        self.history.write(self._curve)

    def _tell(self, loss: float, done: float) -> None:
        self.history.step.append(self.step)
        self.history.loss.append(round(loss, 4))
        left = self.seconds() * (1 / max(done, 1e-6) - 1)
        seen = self.history.validation
        judged = f"  validation {seen[-1]:.3f}" if seen else ""
        click.echo(
            f"step {self.step}  loss {loss:.3f}{judged}  {done:.1%}  {left / 60:.1f} min left"
        )


def _compiled(
    model: tf.keras.Model,
    optimizer: tf.keras.optimizers.Optimizer,
    plan: Schedule,
    class_weights: tf.Tensor,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    classes = len(class_weights)
    faster = [_BIASES if v.name == "beta" else 1.0 for v in model.trainable_variables]

    @tf.function(reduce_retracing=False)
    def step_once(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        wanted = tf.one_hot(y, classes) * (1 - plan.smoothing) + plan.smoothing / classes
        with tf.GradientTape() as tape:
            logits = tf.cast(model(x, training=True), tf.float32)
            each = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
            value = tf.reduce_mean(each * tf.gather(class_weights, y))
        gradients = tape.gradient(value, model.trainable_variables)
        gradients = [g * f for g, f in zip(gradients, faster, strict=True)]
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    return step_once
