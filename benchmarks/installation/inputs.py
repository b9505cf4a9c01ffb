"""The inputs of a measurement: the photo, and models files with one model each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks._models import mobilenet
from benchmarks._photo import photo
from scai.models.cards import CLASSIFICATION, DETECTION
from scai.settings import ROOT

# A detector for photos, where available.
_DETECTOR = ROOT.parent / "shared" / "models" / "coco_ssd_mobilenet_v1_quant.tflite"
_LABELS = ("*labelmap*.txt", "labels.txt")
_CLASSES = 1000


@dataclass(frozen=True)
class Subject:
    """A kind of recognition to measure: its models file, its photo, its name in the report."""

    kind: str
    config: Path
    photo: Path
    model: str

    @property
    def name(self) -> str:
        """Name in reports: classification or detection."""
        return "classification" if self.kind == CLASSIFICATION else "detection"

    def environment(self) -> dict[str, str]:
        """The settings under which `scai up` serves this subject with one worker alone."""
        ours = self.kind == CLASSIFICATION
        return {
            "SCAI_ICCONFIG" if ours else "SCAI_ODCONFIG": str(self.config),
            "SCAI_IC_WORKERS": "1" if ours else "0",
            "SCAI_OD_WORKERS": "0" if ours else "1",
        }


def classification(folder: Path, own_photo: Path | None, bundled: bool = False) -> Subject:
    """Prepare MobileNetV2-224 as a SavedModel; `bundled`: a model that comes with SCAI."""
    if bundled:
        config = ROOT / "usr" / "image_classification.config"
        return Subject(CLASSIFICATION, config, _photo(folder, own_photo), "objects")
    saved_model, _ = mobilenet()
    labels = folder / "labels.txt"
    folder.mkdir(parents=True, exist_ok=True)
    labels.write_text("".join(f"class {number}\n" for number in range(_CLASSES)))
    config = folder / "image_classification.config"
    config.write_text(
        f"[default]\nGRAPH = {saved_model}\nLABELS = {labels}\n"
        "INPUT_MEAN = 127.5\nINPUT_STD = 127.5\nENGINE = auto\n"
    )
    return Subject(
        CLASSIFICATION, config, _photo(folder, own_photo), "MobileNetV2 224 float32, SavedModel"
    )


def detection(folder: Path, own_photo: Path | None, detector: Path | None) -> Subject:
    """Prepare the detector `detector` (.tflite, labels beside it), or an available one."""
    model = detector or (_DETECTOR if _DETECTOR.exists() else None)
    if model is None:
        config = ROOT / "usr" / "object_detection.config"
        return Subject(DETECTION, config, _photo(folder, own_photo), "digit-detector")
    names = [file for pattern in _LABELS for file in model.parent.glob(pattern)]
    if not model.is_file() or not names:
        raise click.ClickException(
            f"--detector {model}: expected a model with a labels.txt or *labelmap*.txt beside it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "object_detection.config"
    config.write_text(
        f"[default]\nPATH_TO_CKPT = {model.resolve()}\nPATH_TO_LABELS = {names[0].resolve()}\n"
        "ENGINE = auto\n"
    )
    return Subject(DETECTION, config, _photo(folder, own_photo), model.name)


def _photo(folder: Path, own: Path | None) -> Path:
    """Return the photo to upload: the user's, or a generated one."""
    if own is not None:
        return own
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "photo.jpg"
    file.write_bytes(photo())
    return file
