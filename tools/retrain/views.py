"""Small pictures as a network learns from them: shifted, mirrored, partly covered."""

from collections.abc import Callable

import numpy as np

from tools.training.loop import Batch
from tools.training.schedule import Schedule


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
            pad = max(1, side // 8)
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
    size = max(1, side // 4)
    corners = rng.integers(0, side - size + 1, (len(images), 2))
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + size, left : left + size] = 128
