"""Run pictures through a model: prepare -> engine.infer -> read.

`prepare` and `read` are pure and belong to a kind of recognition (workers/<kind>.py); all kinds
share the inference batches between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scai.engines.base import EngineBase, TensorSpec
from scai.errors import ConfigError, EngineError
from scai.models.cards import ModelCard
from scai.recognition.results import Result

Pixels = NDArray[np.uint8]
Tensor = NDArray[np.generic]

DEFAULT_MEAN = 0.0
DEFAULT_STD = 255.0
MAX_IMAGES = 32
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Options:
    """A client's confidence threshold 0..1 and top-k; None: the values of the model's card."""

    threshold: float | None = None
    top_k: int | None = None


NONE = Options()


class Recognizer(ABC):
    """A loaded model and the meaning of its numbers. Not for several threads at once.

    `max_batch` is the largest inference batch; longer lists of images are split.
    """

    def __init__(self, card: ModelCard, engine: EngineBase) -> None:
        self.card = card
        self.engine = engine
        channels = engine.input.shape[-1]
        if channels not in (None, 1, 3):
            raise ConfigError(
                f"{card.where('INPUT_LAYER')}: expected an input of 1 or 3 channels, "
                f"got shape {engine.input.shape}"
            )
        self.max_batch = card.batch or MAX_IMAGES

    @property
    def needed_sides(self) -> tuple[int, int] | None:
        """Smallest height and width of the decoded picture; None: its full size, to draw on."""
        return None

    @abstractmethod
    def prepare(self, image: Pixels) -> Tensor:
        """Turn `(h, w, 3)` uint8 RGB into the model's `(h', w', c)` in the dtype of its input."""

    @abstractmethod
    def read(
        self, outputs: Sequence[Tensor], index: int, size: tuple[int, int], options: Options = NONE
    ) -> Result:
        """The result of image `index` of a batch; `size` is its (width, height) in pixels."""

    def recognize(
        self, images: Sequence[Pixels], options: Sequence[Options] | None = None
    ) -> list[Result]:
        """One result per image `(h, w, 3)` uint8 RGB, in order. Raises EngineError.

        `options`, one for each image, replace the card's values.
        """
        tensors = [self.prepare(image) for image in images]
        sizes = [(image.shape[1], image.shape[0]) for image in images]
        return self.run_prepared(tensors, sizes, options or [NONE] * len(images))

    def run_prepared(
        self,
        tensors: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
        options: Sequence[Options],
    ) -> list[Result]:
        """One result per tensor of `prepare`, in order; `sizes` are (width, height) in pixels."""
        results: dict[int, Result] = {}
        for places in self._groups(tensors):
            group = [tensors[place] for place in places]
            outputs = self.engine.infer(group[0][None] if len(group) == 1 else np.stack(group))
            self._check(outputs, len(places))
            for index, place in enumerate(places):
                results[place] = self.read(outputs, index, sizes[place], options[place])
        return [results[place] for place in range(len(tensors))]

    def close(self) -> None:
        """Free the model."""
        self.engine.close()

    def _groups(self, tensors: Sequence[Tensor]) -> list[list[int]]:
        """Indices of images of one shape, at most `max_batch` together, in order of arrival."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for place, tensor in enumerate(tensors):
            by_shape.setdefault(tensor.shape, []).append(place)
        return [
            places[start : start + self.max_batch]
            for places in by_shape.values()
            for start in range(0, len(places), self.max_batch)
        ]

    def _check(self, outputs: Sequence[Tensor], images: int) -> None:
        for spec, array in zip(self.engine.outputs, outputs, strict=True):
            if array.ndim == 0 or len(array) != images:
                raise EngineError(
                    f"{self.engine.name}: expected output {spec.name} for {images} images, "
                    f"got shape {array.shape}"
                )


def as_input(
    pixels: NDArray[Any], spec: TensorSpec, mean: float | None, std: float | None
) -> Tensor:
    """Convert pixels 0..255 to the dtype and range of a model's input.

    Inputs of one channel get the grey level (ITU-R BT.601). Float inputs get (pixel - mean) / std;
    the defaults are 0 and 255. Integer inputs get the pixels unchanged, shifted for int8; with a
    mean or std, they get (pixel - mean) / std quantised with the input's scale and zero point.
    """
    if spec.shape[-1] == 1:
        pixels = (pixels @ _GREY)[..., None]
    dtype = np.dtype(spec.dtype)
    plain = mean is None and std is None
    if not np.issubdtype(dtype, np.integer):
        values = pixels.astype(np.float32)
        values -= np.float32(DEFAULT_MEAN if mean is None else mean)
        values *= np.float32(1 / (DEFAULT_STD if std is None else std))
        return values.astype(dtype, copy=False)
    bounds = np.iinfo(dtype)
    if plain or not spec.scale:
        shift = -128 if dtype == np.int8 else 0
        if pixels.dtype == dtype:
            return pixels
        values = np.rint(pixels.astype(np.float32)) + shift
    else:
        real = (pixels.astype(np.float32) - (mean or 0.0)) / (std or DEFAULT_STD)
        values = np.rint(real / spec.scale) + spec.zero_point
    clipped: Tensor = np.clip(values, bounds.min, bounds.max).astype(dtype)
    return clipped


def input_sides(card: ModelCard, spec: TensorSpec, default: int) -> tuple[int, int]:
    """Height and width of the input: the model's if fixed, else the card's, else `default`."""
    height = spec.shape[1] or card.input_height or default
    width = spec.shape[2] or card.input_width or default
    return height, width
