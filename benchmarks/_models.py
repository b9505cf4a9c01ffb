"""The model of most figures: MobileNetV2 for 224x224 pixels, with random weights.

A network is as fast with random weights as with trained ones, so nothing has to be downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from benchmarks.harness import progress
from scai.settings import ROOT

FOLDER = ROOT / ".cache" / "bench" / "models"
SAVED_MODEL = FOLDER / "mobilenet_v2"
TFLITE = FOLDER / "mobilenet_v2.tflite"


def mobilenet() -> tuple[Path, Path]:
    """Return the SavedModel folder and the .tflite file, float32; the first call makes both.

    Raises click.ClickException where TensorFlow is not installed or fails.
    """
    if not (SAVED_MODEL / "saved_model.pb").exists() or not TFLITE.exists():
        progress("making MobileNetV2 with TensorFlow, once")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks._models"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        if process.returncode:
            last = process.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise click.ClickException(f"MobileNetV2 could not be made: {last[0]}")
    return SAVED_MODEL, TFLITE


def make(folder: Path) -> None:
    """Write both files into `folder`, each whole or not at all."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = keras.applications.MobileNetV2(weights=None)
    draft = folder / f".making-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    model.export(draft / "saved", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(draft / "saved"))
    (draft / "lite").write_bytes(converter.convert())
    shutil.rmtree(folder / SAVED_MODEL.name, ignore_errors=True)
    os.replace(draft / "saved", folder / SAVED_MODEL.name)
    os.replace(draft / "lite", folder / TFLITE.name)
    draft.rmdir()


if __name__ == "__main__":
    make(FOLDER)
