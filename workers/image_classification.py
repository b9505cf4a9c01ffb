"""Image classification: the k classes of the model that fit a picture best, each with a score.

A photo of any size is resized to the model's input. The model returns one score for each line of
the label file.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from scai.engines.base import EngineBase
from scai.errors import ConfigError
from scai.models import labels
from scai.models.cards import AUTO, CLASSIFICATION, ModelCard
from scai.pictures.pixels import resize
from scai.recognition.loading import load_engine
from scai.recognition.recognizer import (
    NONE,
    Options,
    Pixels,
    Recognizer,
    Tensor,
    as_input,
    input_sides,
)
from scai.recognition.results import Classification
from workers._main import options, run, start

log = logging.getLogger(__name__)

KIND = CLASSIFICATION
DEFAULT_SIDE = 299
# Scores that exceed 1 by more are logits; quantised probabilities may exceed it by some steps.
SCORE_TOLERANCE = 0.05
# DECODE and RESIZE -> smallest side of a reduced photo, as a multiple of the model's side.
# Measured on photos: reducing by the mean of four pixels changes scores by about 0.01.
_TIMES = {(AUTO, "area"): 4, ("reduced", "area"): 2, ("reduced", "bilinear"): 2}
# Replaces NaN and infinity among logits: far from every score, and still safe to subtract.
_LEAST = -1e30


class ImageClassification(Recognizer):
    """A model with one output of class scores."""

    def __init__(self, card: ModelCard, engine: EngineBase, names: dict[int, str]) -> None:
        super().__init__(card, engine)
        self._names = names
        self._size = input_sides(card, engine.input, DEFAULT_SIDE)
        if len(engine.outputs) != 1:
            outputs = ", ".join(spec.name for spec in engine.outputs)
            raise ConfigError(
                f"{card.where('OUTPUT_LAYER')}: expected one output, got {outputs or 'none'}"
            )
        trial = self._trial()
        self._offset = self._check_labels(trial.size)
        self._softmax = self._needs_softmax(trial)

    @property
    def needed_sides(self) -> tuple[int, int] | None:
        """A multiple of the model's sides, so that a reduced photo still has detail to resize.

        None where every pixel counts: with DECODE = full, and where a resize picks single pixels.
        """
        times = _TIMES.get((self.card.decode, self.card.resize))
        return None if times is None else (times * self._size[0], times * self._size[1])

    def prepare(self, image: Pixels) -> Tensor:
        """The whole picture, resized to the model's input."""
        pixels = resize(image, *self._size, method=self.card.resize)
        return as_input(pixels, self.engine.input, self.card.input_mean, self.card.input_std)

    def read(
        self, outputs: Sequence[Tensor], index: int, size: tuple[int, int], options: Options = NONE
    ) -> Classification:
        """The best classes of image `index`; a NaN or infinite score counts as 0."""
        scores = outputs[0][index].astype(np.float32).ravel()
        if self._softmax:
            scores = _softmax(np.nan_to_num(scores, nan=_LEAST, posinf=-_LEAST, neginf=_LEAST))
        scores = np.nan_to_num(scores, posinf=0, neginf=0)
        best = np.argsort(-scores, kind="stable")[: options.top_k or self.card.top_k]
        if options.threshold is not None:
            best = best[scores[best] >= options.threshold]
        lines = best + self._offset
        return Classification(tuple(self._name(int(i)) for i in lines), lines, scores[best])

    def _name(self, line: int) -> str:
        return self._names.get(line) or f"class {line}"

    def _trial(self) -> NDArray[np.float32]:
        """The scores of noise, which show their number and their range."""
        pixels = np.random.default_rng(0).integers(0, 256, (*self._size, 3), np.uint8)
        tensor = as_input(pixels, self.engine.input, self.card.input_mean, self.card.input_std)
        outputs = self.engine.infer(tensor[None])
        self._check(outputs, 1)
        try:
            return outputs[0].astype(np.float32).ravel()
        except (ValueError, TypeError):
            raise ConfigError(
                f"{self.card.where('OUTPUT_LAYER')}: expected scores, got {outputs[0].dtype} values"
            ) from None

    def _check_labels(self, width: int) -> int:
        """The label line of class 0. Raises ConfigError unless there is a label for each score."""
        if not self._names:
            return self.card.label_offset or 0
        offset = self.card.label_offset
        if offset is None:
            # A label map counts from 1, lines count from 0.
            offset = 1 if min(self._names) == 1 and labels.is_map(self._label_file()) else 0
        count = sum(number >= offset for number in self._names)
        if count != width:
            hint = (
                "; state LABEL_OFFSET = 1 if the first label stands for none of the classes"
                if count == width + 1
                else ""
            )
            raise ConfigError(
                f"{self.card.where('LABELS')}: expected {width} labels, as many as the model has "
                f"scores, got {count} in {self.card.labels}{hint}"
            )
        return offset

    def _label_file(self) -> Path:
        assert self.card.labels is not None
        return self.card.labels

    def _needs_softmax(self, trial: NDArray[np.float32]) -> bool:
        """Whether scores are logits; decided once, so that a batch never changes scores."""
        if self.card.activation != AUTO:
            return self.card.activation == "softmax"
        # Independent scores within 0..1 (sigmoid) stay as they are.
        scores = trial[np.isfinite(trial)]
        logits = bool(scores.size > 1 and (scores.min() < 0 or scores.max() > 1 + SCORE_TOLERANCE))
        if logits:
            log.info("%s: the scores are logits: softmax", self.card.where("ACTIVATION"))
        return logits


def _softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(scores - scores.max())
    return np.asarray(powers / powers.sum(), np.float32)


def build(card: ModelCard, batch: int = 0) -> ImageClassification:
    """Load the model of a card. `batch`: the largest number of images at once; 0: unknown.

    Raises ConfigError or UnsupportedModel.
    """
    names = labels.read(card.labels) if card.labels else {}
    offset = card.label_offset or 0
    engine = load_engine(card, classes=max(0, len(names) - offset), batch=batch)
    return ImageClassification(card, engine, names)


@click.command()
@options
@click.option(
    "--image",
    type=click.Path(path_type=Path),
    help="Classify this file, print the result and exit.",
)
@click.option("--graph", help="Model file, instead of GRAPH.")
@click.option("--labels", help="Label file, instead of LABELS.")
@click.option("--input_layer", help="Name of the input, instead of INPUT_LAYER.")
@click.option("--output_layer", help="Name of the output, instead of OUTPUT_LAYER.")
@click.option("--input_height", type=int, help="Pixels, instead of INPUT_HEIGHT.")
@click.option("--input_width", type=int, help="Pixels, instead of INPUT_WIDTH.")
@click.option("--input_mean", type=float, help="Instead of INPUT_MEAN; may be 0.")
@click.option("--input_std", type=float, help="Instead of INPUT_STD.")
def main(image: Path | None, **flags: Any) -> None:
    """Classify the pictures of the jobs in the queue folder."""
    run(KIND, build, flags, image)


if __name__ == "__main__":
    start(main)
