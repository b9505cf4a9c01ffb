"""The last layer: which mixture of a picture's features speaks for which class.

Plain numpy: a few thousand pictures' features are learned from in seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import click
import numpy as np

from tools.common.progress import Progress

_LOOK_EVERY = 20  # steps
_ENOUGH = 50  # pictures
_FAINT = 0.05  # added to a feature's deviation, in shares of the mean one


@dataclass(frozen=True)
class Lesson:
    """How to learn: `rate` falls along a cosine; `decay` pulls weights to zero; `patience` looks
    without a better validation loss end it early."""

    steps: int = 1000
    batch: int = 256
    rate: float = 3e-3
    decay: float = 1.0
    smoothing: float = 0.1
    patience: int = 25
    seed: int = 0


@dataclass
class Curves:
    """Loss and accuracy on both splits at the looks, for the picture in the card."""

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Head:
    """`features @ weights + bias` are logits; weights (d, classes), bias (classes,) float32."""

    weights: np.ndarray
    bias: np.ndarray

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        return softmax(features @ self.weights + self.bias)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def class_weights(labels: np.ndarray, classes: int, balanced: bool = True) -> np.ndarray:
    """How much a picture of each class counts: (classes,) float32, mean 1 over the pictures.

    labels: (n,) int. balanced: a rare class counts as much as a frequent one; else all are 1
    """
    if not balanced:
        return np.ones(classes, np.float32)
    counts = np.bincount(labels, minlength=classes)
    return (len(labels) / classes / np.maximum(counts, 1)).astype(np.float32)


def learn(
    views: list[np.ndarray],
    labels: np.ndarray,
    check: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    lesson: Lesson,
    tell: Callable[[str], object] = click.echo,
) -> tuple[Head, Curves]:
    """The head that did best on the validation pictures.

    views: for each way to look at the pictures their features (n, d) float32
    check: features (m, d) and labels (m,) of the validation pictures; m may be 0
    weights: (classes,) how much a picture of each class counts
    """
    centre = views[0].mean(axis=0)
    spread = views[0].std(axis=0)
    spread = spread + _FAINT * spread.mean() + 1e-6
    even = [((v - centre) / spread).astype(np.float32) for v in views]
    checked = ((check[0] - centre) / spread).astype(np.float32)
    learner = _Adam(even[0].shape[1], len(weights), lesson)
    curves, best, since = Curves(), (np.inf, learner.head()), 0
    progress = Progress(lesson.steps, "steps", say=tell)
    for step in range(lesson.steps):
        rng = np.random.default_rng((lesson.seed, step))
        picked = rng.integers(0, len(labels), min(lesson.batch, len(labels)))
        x = even[int(rng.integers(len(even)))][picked]
        learner.step(x, labels[picked], weights[labels[picked]])
        if (step + 1) % _LOOK_EVERY and step + 1 < lesson.steps:
            continue
        now = learner.head()
        loss, _ = _look(curves, step + 1, now, (even[0], labels), (checked, check[1]))
        best, since = ((loss, now), 0) if loss < best[0] else (best, since + 1)
        progress.tell(step + 1, f"validation loss {loss:.4f}")
        if since >= lesson.patience:
            tell(f"no better since {lesson.patience} looks: stopped at step {step + 1}")
            break
    found = best[1]
    # The evening out of the features is folded in: the head takes them as they come.
    plain = found.weights / spread[:, None]
    head = Head(plain.astype(np.float32), (found.bias - centre @ plain).astype(np.float32))
    return head, curves


def calibrated(head: Head, features: np.ndarray, labels: np.ndarray) -> Head:
    """The same answers, with scores as sure as `features` (m, d) of `labels` (m,) int allow."""
    best = temperature(features @ head.weights + head.bias, labels)
    return Head((head.weights / best).astype(np.float32), (head.bias / best).astype(np.float32))


def temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What to divide logits by, so that scores are as sure as the answers are right.

    logits, labels: of validation pictures, (m, classes) and (m,) int. It is the number of the
    least loss (Guo and others, On Calibration of Modern Neural Networks, 2017, section 4.2).
    Fewer than 50 pictures tell too little: 1 then.
    """
    if len(labels) < _ENOUGH:
        return 1.0
    own = np.arange(len(labels)), labels

    def loss(by: float) -> float:
        return float(-np.log(np.maximum(softmax(logits / by)[own], 1e-9)).mean())

    return float(min(np.geomspace(0.2, 5, 81), key=loss))


def _look(
    curves: Curves,
    step: int,
    head: Head,
    train: tuple[np.ndarray, np.ndarray],
    check: tuple[np.ndarray, np.ndarray],
) -> tuple[float, float]:
    """Loss and accuracy on the validation pictures, or without any on those learned from."""
    known = _loss(head, *train)
    unknown = _loss(head, *check) if len(check[1]) else known
    curves.step.append(step)
    curves.train_loss.append(known[0])
    curves.train.append(known[1])
    curves.validation_loss.append(unknown[0])
    curves.validation.append(unknown[1])
    return unknown


def _loss(head: Head, features: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    chances = head.probabilities(features)
    own = np.maximum(chances[np.arange(len(labels)), labels], 1e-9)
    return float(-np.log(own).mean()), float((chances.argmax(axis=1) == labels).mean())


class _Adam:
    """Softmax regression, a step at a time."""

    def __init__(self, features: int, classes: int, lesson: Lesson) -> None:
        self._w = np.zeros((features + 1, classes), np.float32)  # the last row is the bias
        self._mean, self._square = np.zeros_like(self._w), np.zeros_like(self._w)
        self._lesson, self._step = lesson, 0

    def head(self) -> Head:
        return Head(self._w[:-1].copy(), self._w[-1].copy())

    def step(self, x: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        self._step += 1
        lesson, t, classes = self._lesson, self._step, self._w.shape[1]
        wanted = np.full((len(x), classes), lesson.smoothing / classes, np.float32)
        wanted[np.arange(len(x)), labels] += 1 - lesson.smoothing
        error = (softmax(x @ self._w[:-1] + self._w[-1]) - wanted) * weights[:, None] / len(x)
        slope = np.vstack([x.T @ error, error.sum(axis=0)])
        self._mean += 0.1 * (slope - self._mean)
        self._square += 0.01 * (slope**2 - self._square)
        rate = lesson.rate * 0.5 * (1 + np.cos(np.pi * t / lesson.steps))
        self._w[:-1] *= 1 - rate * lesson.decay
        self._w -= (
            rate * (self._mean / (1 - 0.9**t)) / (np.sqrt(self._square / (1 - 0.99**t)) + 1e-8)
        )
