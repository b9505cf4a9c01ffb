"""Small pictures altered for training: shifted, mirrored, partly covered."""

from __future__ import annotations

import numpy as np

from tools.training.prefetch import Batch, MakeBatch


def batches(
    images: np.ndarray, labels: np.ndarray, size: int, seed: int, augment: bool = True
) -> MakeBatch:
    """Step -> ((b, h, w, 3) float32 -1..1, (b,) labels): every picture once an epoch.

    images, labels: (n, h, w, 3) uint8 and (n,) int. size: pictures of a batch
    """
    side = images.shape[1]
    per_epoch = max(1, len(images) // size)
    first_flip = np.random.default_rng(seed).integers(0, 2, len(images))
    offsets = np.arange(side)

    def make(rng: np.random.Generator, step: int) -> Batch:
        epoch, place = divmod(step, per_epoch)
        order = np.random.default_rng((seed, 1, epoch)).permutation(len(images))
        indices = order[place * size : (place + 1) * size]
        batch = images[indices]
        if augment:
            pad = max(1, side // 8)
            batch = np.pad(batch, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
            corner = rng.integers(0, 2 * pad + 1, (2, len(indices), 1))
            rows, columns = corner[0] + offsets, corner[1] + offsets
            # Each picture is mirrored every other epoch.
            mirrored = (first_flip[indices] + epoch) % 2 == 1
            columns[mirrored] = columns[mirrored, ::-1]
            every = np.arange(len(indices))[:, None, None]
            batch = batch[every, rows[:, :, None], columns[:, None]]
            _cut_out(batch, rng)
        return batch.astype(np.float32) / 127.5 - 1, labels[indices]

    return make


def _cut_out(images: np.ndarray, rng: np.random.Generator) -> None:
    """Cover squares of a quarter of the side with grey, so that no single part decides."""
    side = images.shape[1]
    size = max(1, side // 4)
    corners = rng.integers(0, side - size + 1, (len(images), 2))
    for image, (top, left) in zip(images, corners, strict=True):
        image[top : top + size, left : left + size] = 128
