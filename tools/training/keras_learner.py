"""A Keras model that learns by gradient descent, and the running mean of its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tools.training.prefetch import Batch

# The model's output for batch[0], and the whole batch -> scalar.
Loss = Callable[[tf.Tensor, tuple[tf.Tensor, ...]], tf.Tensor]


@dataclass(frozen=True)
class Averaging:
    """How the running mean of the weights follows them; the mean is what is exported.

    past: step and progress of the training, 0..1 -> weight of the past in the mean, 0..1
    every: steps between two updates of the mean
    lookahead: after each update, go on from the mean (Zhang et al., arXiv:1907.08610)
    """

    past: Callable[[int, float], float]
    every: int = 1
    lookahead: bool = False


# After few steps, the mean must not contain much of the random initial weights.
RUNNING_MEAN = Averaging(lambda step, _: min(0.998, (1 + step) / (10 + step)))


class KerasLearner:
    """The learner of a Keras model; see `loop.Learner`.

    keep_best: whether `remember` will be called, which needs memory for one more set of weights
    speed: name of a variable -> factor on its gradient
    """

    def __init__(
        self,
        model: tf.keras.Model,
        loss: Loss,
        optimizer: tf.keras.optimizers.Optimizer,
        averaging: Averaging = RUNNING_MEAN,
        keep_best: bool = False,
        speed: Mapping[str, float] | None = None,
    ) -> None:
        optimizer.build(model.trainable_variables)
        self._model, self._optimizer, self._averaging = model, optimizer, averaging
        self._mean = [tf.Variable(w, trainable=False) for w in model.weights]
        self._best = [tf.Variable(w, trainable=False) for w in self._mean] if keep_best else []
        # The averaged weights come last: `weights.start` of a detector reads them there.
        self._variables = [*model.weights, *optimizer.variables, *self._mean, *self._best]
        self._learn = _compiled_step(model, loss, optimizer, speed or {})
        self._average = _compiled_mean(model.weights, self._mean, averaging.lookahead)

    def step(self, batch: Batch, rate: float, step: int, progress: float) -> float:
        """Learn from a batch; the loss."""
        self._optimizer.learning_rate.assign(rate)
        value = self._learn(tuple(tf.convert_to_tensor(array) for array in batch))
        if (step + 1) % self._averaging.every == 0:
            self._average(tf.constant(self._averaging.past(step, progress), tf.float32))
        return float(value)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Lend the running mean to the model."""
        own = self._model.get_weights()
        _copy(self._mean, self._model.weights)
        try:
            yield
        finally:
            self._model.set_weights(own)

    def remember(self) -> None:
        """Keep the running mean as the best weights."""
        _copy(self._mean, self._best)

    def finish(self) -> None:
        """Leave the best weights in the model, or the running mean."""
        _copy(self._best or self._mean, self._model.weights)

    def arrays(self) -> list[np.ndarray]:
        """Weights, state of the optimizer, running mean, and the best weights if they are kept."""
        return [variable.numpy() for variable in self._variables]

    def restore(self, arrays: Sequence[np.ndarray]) -> None:
        """Restore the state returned by `arrays`. Raises ValueError if the shapes differ."""
        shapes = [tuple(variable.shape) for variable in self._variables]
        if [array.shape for array in arrays] != shapes:
            raise ValueError(f"expected arrays of the shapes {shapes}")
        _copy(arrays, self._variables)


def adam(decay: float = 1e-4) -> tf.keras.optimizers.Optimizer:
    """The optimizer of detectors and digits."""
    return tf.keras.optimizers.AdamW(weight_decay=decay, global_clipnorm=10.0)


def _copy(source: Sequence[tf.Tensor], target: Sequence[tf.Variable]) -> None:
    for values, variable in zip(source, target, strict=True):
        variable.assign(values)


def _compiled_step(
    model: tf.keras.Model,
    loss: Loss,
    optimizer: tf.keras.optimizers.Optimizer,
    speed: Mapping[str, float],
) -> Callable[[tuple[tf.Tensor, ...]], tf.Tensor]:
    variables = model.trainable_variables
    factors = [speed.get(variable.name, 1.0) for variable in variables]

    def learn(batch: tuple[tf.Tensor, ...]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(model(batch[0], training=True), batch)
        gradients = tape.gradient(value, variables)
        gradients = [g if f == 1 else g * f for g, f in zip(gradients, factors, strict=True)]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return value

    compiled: Callable[[tuple[tf.Tensor, ...]], tf.Tensor] = tf.function(learn)
    return compiled


def _compiled_mean(
    weights: Sequence[tf.Variable], mean: Sequence[tf.Variable], lookahead: bool
) -> Callable[[tf.Tensor], None]:
    def average(past: tf.Tensor) -> None:
        for m, w in zip(mean, weights, strict=True):
            m.assign(past * m + (1 - past) * tf.convert_to_tensor(w))
            if lookahead:
                w.assign(m)

    compiled: Callable[[tf.Tensor], None] = tf.function(average)
    return compiled
