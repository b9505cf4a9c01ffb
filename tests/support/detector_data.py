"""Pictures with boxes made for tests of the detector's training."""

import json
from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

from tools.datasets import labelled_boxes
from tools.datasets.files import Files, open_files
from tools.train_detector import command

SIDE = 64
COLOURS = {"disc": (230, 40, 40), "square": (40, 60, 230)}


def shapes(root: Path, count: int = 24) -> Path:
    """A Pascal VOC folder: on each picture one red disc and one blue square."""
    rng = np.random.default_rng(0)
    for name in ("Annotations", "JPEGImages"):
        (root / name).mkdir(parents=True)
    for i in range(count):
        height, width = (96, 128) if i % 2 else (128, 96)
        image = np.full((height, width, 3), rng.integers(90, 170), np.uint8)
        objects = []
        for k, (name, colour) in enumerate(COLOURS.items()):
            size = int(rng.integers(28, 44))
            x = int(rng.integers(0, width - size))
            y = k * height // 2 + int(rng.integers(0, height // 2 - size + 1))
            middle = (x + size // 2, y + size // 2)
            if name == "disc":
                cv2.circle(image, middle, size // 2, colour, -1)
            else:
                cv2.rectangle(image, (x, y), (x + size - 1, y + size - 1), colour, -1)
            objects.append(voc_object(name, (x + 1, y + 1, x + size, y + size)))
        cv2.imwrite(str(root / "JPEGImages" / f"{i:02}.png"), image[..., ::-1])
        annotate(root, f"{i:02}", *objects)
    return root


def voc_object(name: str, box: tuple[float, ...]) -> str:
    edges = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{edge}>{value}</{edge}>" for edge, value in edges)
    return f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>"


def annotate(root: Path, stem: str, *objects: str) -> None:
    text = f"<annotation>{''.join(objects)}</annotation>"
    (root / "Annotations" / f"{stem}.xml").write_text(text)


def as_coco(root: Path, to: Path) -> Path:
    """The same data as a COCO file beside the pictures."""
    with Files(root) as files:
        labelled = labelled_boxes.find(files, root, 0)
    numbers = {name: 7 * i + 1 for i, name in enumerate(labelled.classes)}
    images, annotations = [], []
    for i, sample in enumerate(labelled.splits["train"].samples):
        images.append({"id": i, "file_name": Path(sample.name).name})
        for (x1, y1, x2, y2), name in zip(sample.truth.boxes, sample.truth.names, strict=True):
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"image_id": i, "bbox": box, "category_id": numbers[name]})
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    notes = {"images": images, "annotations": annotations, "categories": categories}
    to.write_text(json.dumps(notes))
    return to


def parts(root: Path, **lists: str) -> Path:
    (root / "ImageSets" / "Main").mkdir(parents=True)
    for name, stems in lists.items():
        (root / "ImageSets" / "Main" / f"{name}.txt").write_text(stems.replace(" ", "\n") + "\n")
    return root


def names(labelled: labelled_boxes.LabelledBoxes, split: str) -> set[str]:
    return {Path(sample.name).stem for sample in labelled.splits[split].samples}


def labelled_in(root: Path, percent: int = 25, **more: object) -> labelled_boxes.LabelledBoxes:
    with open_files(root) as files:
        return labelled_boxes.find(files, root, percent, **more)


def run_command(*arguments: object) -> tuple[int, str]:
    """Exit code of `scai train-detector` with these flags, and its output."""
    result = CliRunner().invoke(command.main, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output
