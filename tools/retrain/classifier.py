"""A trained classifier, before it is written to files."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from tools.retrain.bases import Function

Curves = dict[str, tuple[list[int], list[float]]]


@dataclass(frozen=True)
class Classifier:
    """A network from pixels to probabilities, and how it was trained.

    function: (b, side, side, 3) float32 (pixel - mean) / std -> (b, classes) probabilities
    model: the same as a Keras model, or None if it cannot be one
    side: pixels. mean, std: of pixels 0..255. resize: as RESIZE in a model's section
    summary: a sentence for the card
    curves: name -> (steps, values), the lines of curves.png
    runs: the options of each training run that made it, first to last, if it can be resumed
    """

    function: Function
    model: tf.keras.Model | None
    side: int
    mean: float
    std: float
    resize: str
    summary: str
    curves: Curves
    runs: tuple[str, ...] = ()
