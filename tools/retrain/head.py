"""The last layer: from a picture's features to the scores of the classes.

Plain NumPy: training it on the features of a few thousand pictures takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import click
import numpy as np

from tools.training.curve import LearningCurve
from tools.training.loop import Training
from tools.training.prefetch import Batch
from tools.training.schedule import Schedule
from tools.training.validation import Validation

TRAIN_LOSS, TRAIN_ACCURACY = "training loss", "training accuracy"
VALIDATION_LOSS, VALIDATION_ACCURACY = "validation loss", "validation accuracy"
_MEASURE_EVERY = 20  # steps
_MIN_CALIBRATION = 50  # pictures
_FAINT = 0.05  # added to each feature's deviation, as a share of the mean deviation


@dataclass(frozen=True)
class HeadSettings:
    """How to train the last layer.

    rate: highest learning rate, which falls along a cosine. decay: weight decay
    smoothing: label smoothing, 0..1
    patience: measurements in a row below the best after which the training ends
    """

    steps: int = 1000
    batch: int = 256
    rate: float = 3e-3
    decay: float = 1.0
    smoothing: float = 0.1
    patience: int = 25
    seed: int = 0


@dataclass(frozen=True)
class Head:
    """`features @ weights + bias` are logits; weights (d, classes), bias (classes,) float32."""

    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """The scores (n, classes) of features (n, d)."""
        return softmax(features @ self.weights + self.bias)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (n, classes) of logits (n, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def class_weights(labels: np.ndarray, classes: int, balanced: bool = True) -> np.ndarray:
    """Compute the weights of the classes in the loss: (classes,) float32, mean 1 over pictures.

    labels: (n,) int. balanced: a rare class counts as much as a frequent one; else all are 1
    """
    if not balanced:
        return np.ones(classes, np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / classes / np.maximum(counts, 1)).astype(np.float32)


def train(
    views: list[np.ndarray],
    labels: np.ndarray,
    check: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    settings: HeadSettings,
    say: Callable[[str], object] = click.echo,
) -> tuple[Head, LearningCurve]:
    """Train a head; return the one with the lowest validation loss, and the learning curve.

    views: features (n, d) float32 of the training pictures, an array per augmentation
    labels: (n,) int
    check: features (m, d) and labels (m,) of the validation pictures; m may be 0
    weights: (classes,) weights of the classes in the loss
    The curve has the loss and accuracy of both splits, under the names of this module.
    """
    centre = views[0].mean(axis=0)
    spread = views[0].std(axis=0)
    spread = spread + _FAINT * spread.mean() + 1e-6
    scaled = [((v - centre) / spread).astype(np.float32) for v in views]
    checked = ((check[0] - centre) / spread).astype(np.float32)
    learner = _HeadLearner(scaled[0].shape[1], len(weights), settings)

    def make(rng: np.random.Generator, _: int) -> Batch:
        indices = rng.integers(0, len(labels), min(settings.batch, len(labels)))
        x = scaled[int(rng.integers(len(scaled)))][indices]
        return x, labels[indices], weights[labels[indices]]

    validation = Validation(
        lambda: _losses(learner.head, (scaled[0], labels), (checked, check[1])),
        VALIDATION_LOSS,
        lower_is_better=True,
        every=_MEASURE_EVERY / settings.steps,
        patience=settings.patience,
        keep_best=True,
        announce=False,
    )
    schedule = Schedule(rate=settings.rate, steps=settings.steps, seed=settings.seed)
    state = Training(learner, make, schedule, validation, say=say).run()
    best = learner.head
    # The scaling of the features is folded in: the head takes them as they come.
    plain = best.weights / spread[:, None]
    head = Head(plain.astype(np.float32), (best.bias - centre @ plain).astype(np.float32))
    return head, state.curve


def calibrate(head: Head, features: np.ndarray, labels: np.ndarray) -> Head:
    """Same predictions, with scores calibrated on these validation features and labels.

    features: (m, d) float; labels: (m,) int
    """
    best = temperature(features @ head.weights + head.bias, labels)
    return Head((head.weights / best).astype(np.float32), (head.bias / best).astype(np.float32))


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Calibration temperature: the divisor of the logits that minimises the validation loss.

    logits, labels: of validation pictures, (m, classes) and (m,) int. Returns 1 for fewer than 50
    pictures. Source: Guo and others, On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    if len(labels) < _MIN_CALIBRATION:
        return 1.0
    own = np.arange(len(labels)), labels

    def loss(by: float) -> float:
        return float(-np.log(np.maximum(softmax(logits / by)[own], 1e-9)).mean())

    return float(min(np.geomspace(0.2, 5, 81), key=loss))


def _losses(
    head: Head, train: tuple[np.ndarray, np.ndarray], check: tuple[np.ndarray, np.ndarray]
) -> dict[str, float]:
    """Loss and accuracy of both splits; without validation pictures, twice those of training."""
    train_loss, train_accuracy = _loss(head, *train)
    loss, accuracy = _loss(head, *check) if len(check[1]) else (train_loss, train_accuracy)
    return {
        TRAIN_LOSS: train_loss,
        TRAIN_ACCURACY: train_accuracy,
        VALIDATION_LOSS: loss,
        VALIDATION_ACCURACY: accuracy,
    }


def _loss(head: Head, features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    scores = head.probabilities(features)
    own = np.maximum(scores[np.arange(len(labels)), labels], 1e-9)
    return float(-np.log(own).mean()), float((scores.argmax(axis=1) == labels).mean())


class _HeadLearner:
    """Softmax regression by Adam; see `training.loop.Learner`."""

    def __init__(self, features: int, classes: int, settings: HeadSettings) -> None:
        self._w = np.zeros((features + 1, classes), np.float32)  # the last row is the bias
        self._mean, self._square = np.zeros_like(self._w), np.zeros_like(self._w)
        self._best: np.ndarray | None = None
        self._settings = settings

    @property
    def head(self) -> Head:
        """The head with the present weights."""
        return Head(self._w[:-1].copy(), self._w[-1].copy())

    def step(self, batch: Batch, rate: float, step: int, progress: float) -> float:
        """Learn from features (b, d), labels (b,) and weights (b,) of pictures; the loss."""
        x, labels, weights = batch
        settings, classes, own = self._settings, self._w.shape[1], np.arange(len(x))
        target = np.full((len(x), classes), settings.smoothing / classes, np.float32)
        target[own, labels] += 1 - settings.smoothing
        scores = softmax(x @ self._w[:-1] + self._w[-1])
        error = (scores - target) * weights[:, None] / len(x)
        slope = np.vstack([x.T @ error, error.sum(axis=0)])
        self._mean += 0.1 * (slope - self._mean)
        self._square += 0.01 * (slope**2 - self._square)
        mean = self._mean / (1 - 0.9 ** (step + 1))
        square = self._square / (1 - 0.99 ** (step + 1))
        self._w[:-1] *= 1 - rate * settings.decay
        self._w -= rate * mean / (np.sqrt(square) + 1e-8)
        return float(-np.log(np.maximum(scores[own, labels], 1e-9)).mean())

    def averaged(self) -> AbstractContextManager[None]:
        """The weights are exported as they are."""
        return nullcontext()

    def remember(self) -> None:
        """Keep the present weights as the best ones."""
        self._best = self._w.copy()

    def finish(self) -> None:
        """Go back to the best weights."""
        if self._best is not None:
            self._w = self._best

    def arrays(self) -> list[np.ndarray]:
        """Weights and state of the optimizer."""
        return [self._w, self._mean, self._square]

    def restore(self, arrays: Sequence[np.ndarray]) -> None:
        """Restore the state returned by `arrays`."""
        self._w, self._mean, self._square = arrays
