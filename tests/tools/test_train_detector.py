"""`scai train-detector`: what it learns, writes and installs."""

import json
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
from support.detector_data import SIDE, run_command, shapes
from support.helpers import SHARED

from scai.models import cards
from scai.settings import ROOT
from tools.datasets.files import Files

QUICK = ["--image_size", SIDE, "--width", 0.4, "--batch_size", 8, "--learning_rate", 0.01]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of the two shapes, installed; its folder holds data, out, usr and state.npz."""
    home = tmp_path_factory.mktemp("detector")
    shapes(home / "data")
    code, text = run_command(
        *["--data", home / "data", "--out", home / "out", "--checkpoint", home / "state.npz"],
        *["--how_many_training_steps", 120, "--zoom", 1.2, *QUICK],
        *["--install", "shapes", "--config", home / "usr" / "object_detection.config"],
    )
    assert code == 0, text
    (home / "said.txt").write_text(text)
    return home


@pytest.mark.slow
def test_a_detector_finds_what_it_learned_and_says_so(trained: Path) -> None:
    facts = json.loads((trained / "out" / "card.json").read_text())
    assert facts["classes"] == ["disc", "square"] and facts["metrics"]["mAP@0.5"] > 0.6
    lines = (trained / "said.txt").read_text().splitlines()
    assert ["mAP@0.5", str(facts["metrics"]["mAP@0.5"])] in [line.split() for line in lines]
    assert "--how_many_training_steps 120" in facts["trained_with"]
    assert "--images" not in facts["trained_with"] and str(trained) not in facts["trained_with"]
    installed = trained / "usr" / "models" / "shapes"
    assert {p.name for p in installed.iterdir()} == set(facts["files"]) | {"card.json", "card.md"}
    for name in ("curves", "classes", "precision-recall", "examples"):
        assert (trained / "out" / f"{name}.png").stat().st_size > 1000
    assert not (installed / "examples.png").exists()  # it shows people's own pictures
    card = cards.load_card(trained / "usr" / "object_detection.config", "shapes", cards.DETECTION)
    assert card.num_classes == 2 and card.resize == "letterbox"


@pytest.mark.slow
def test_every_file_gives_the_same_boxes_in_every_engine(trained: Path) -> None:
    from workers.object_detection import build

    config = trained / "engines.config"
    images = [
        cv2.imread(str(trained / "data" / "JPEGImages" / f"{i:02}.png"))[..., ::-1] for i in (0, 1)
    ]
    files = {
        "frozen_inference_graph.pb": ("openvino", "tensorflow"),
        "saved_model": ("openvino", "tensorflow"),
        "shapes.tflite": ("openvino", "litert"),
    }
    seen, rng = {}, np.random.default_rng(0)
    for file, engines in files.items():
        for engine in engines:
            fit = "RESIZE = letterbox\n" if file.endswith(".tflite") else ""
            labels = "labels.txt" if file.endswith(".tflite") else "label_map.pbtxt"
            config.write_text(
                f"[m]\nUSR_PATH = {trained / 'out'}\nPATH_TO_CKPT = {file}\nENGINE = {engine}\n"
                f"PATH_TO_LABELS = {labels}\nNUM_CLASSES = 2\nmin_score_thresh = 0.3\n{fit}"
            )
            recognizer = build(cards.load_card(config, "m", cards.DETECTION))
            # One by one and together: the pictures differ in shape.
            seen[file, engine] = recognizer.recognize([np.ascontiguousarray(i) for i in images])
            # OpenVINO 2026.4 used to end the process every few pictures, see detector_graph.
            recognizer.recognize(list(rng.integers(0, 256, (10, SIDE, SIDE, 3), np.uint8)))
            recognizer.close()
    expected = seen["shapes.tflite", "litert"]
    assert all(len(result) >= 1 for result in expected)
    for results in seen.values():
        for result, other in zip(results, expected, strict=True):
            assert result.labels == other.labels
            np.testing.assert_allclose(result.boxes, other.boxes, atol=1.5)
            np.testing.assert_allclose(result.scores, other.scores, atol=0.05)


@pytest.mark.slow
def test_things_of_two_classes_may_lie_on_each_other_if_told_so() -> None:
    import tensorflow as tf

    from tools.train_detector.postprocessing import Suppression, detect

    answers = np.zeros((1, 16, 16, 7), np.float32)
    answers[..., 0] = -9.0
    for column, which in ((4, 5), (6, 6)):  # middles two cells apart, about seven cells wide
        answers[0, 8, column, 0] = 4.0
        answers[0, 8, column, which] = 8.0
    for across, count in ((True, 1), (False, 2)):
        rule = Suppression(limit=10, overlap=0.4, inside=1.0, across=across)
        boxes, scores, kinds, found = detect(tf.constant(answers), rule)
        assert int(found[0]) == count and boxes.shape == (1, 10, 4)
        assert set(np.asarray(kinds)[0, :count].astype(int)) <= {0, 1}
        assert (np.asarray(scores)[0, count:] == 0).all()


@pytest.mark.slow
def test_weights_go_on_to_other_classes(trained: Path, tmp_path: Path) -> None:
    from tools.train_detector import model as detector_model
    from tools.train_detector import weights

    arrays = np.load(trained / "out" / "weights.npz")
    model = detector_model.build(3, channels=3, width=0.4)
    assert weights.start(model, ("cube", "disc", "square"), trained / "out") == 2
    last = model.get_weights()[-2]
    np.testing.assert_array_equal(last[..., 6:], arrays[f"arr_{len(arrays.files) - 3}"][..., 5:])
    with pytest.raises(click.ClickException, match="of another network"):
        weights.start(detector_model.build(2, 3, width=0.8), ("disc", "square"), trained / "out")
    (tmp_path / "w.npz").write_bytes(b"nothing")
    with pytest.raises(click.ClickException, match="expected weights"):
        weights.start(model, ("a", "b", "c"), tmp_path / "w.npz")


@pytest.mark.slow
def test_a_frozen_graph_gives_its_weights_back(trained: Path) -> None:
    """So that an installed model, which has no weights.npz, can be gone on from."""
    from tools.train_detector import frozen_weights

    with np.load(trained / "out" / "weights.npz") as arrays:
        learned = [arrays[f"arr_{i}"] for i in range(len(arrays.files) - 1)]
    read = frozen_weights.read(trained / "out" / "frozen_inference_graph.pb")
    assert [a.shape for a in read] == [a.shape for a in learned]
    for ours, theirs in zip(read, learned, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)  # kept as float16
    code, text = run_command(
        *["--data", trained / "data", "--out", trained / "more", *QUICK, "--zoom", 1.2],
        *["--checkpoint", trained / "more.npz", "--how_many_training_steps", 1],
        *["--start", trained / "usr" / "models" / "shapes"],
    )
    assert code == 0 and "knows 2 of 2 classes" in text


@pytest.mark.slow
def test_a_full_disk_gives_one_sentence_and_no_folder(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from tools.train_detector import model_files

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "out")

    monkeypatch.setattr(model_files, "write_models", full)
    code, text = run_command(
        *["--data", trained / "data", "--out", tmp_path / "out", *QUICK],
        *["--checkpoint", trained / "state.npz", "--resume", "--zoom", 1.2],
        *["--how_many_training_steps", 120],
    )
    assert code == 2 and "No space left on device" in text
    assert [p.name for p in tmp_path.iterdir()] == []


BLOOD = SHARED / "data" / "bccd.zip"


@pytest.mark.slow
@pytest.mark.skipif(not BLOOD.exists(), reason="no ../shared/data/bccd.zip here")
def test_the_bundled_detector_finds_blood_cells() -> None:
    from tools.common import cards as model_cards
    from tools.datasets import data_sets
    from tools.evaluate.evaluation import evaluate_model

    folder = ROOT / "usr" / "models" / "blood-cells"
    facts = json.loads((folder / "card.json").read_text())
    assert model_cards.file_facts(folder, list(facts["files"])) == facts["files"]
    config = ROOT / "usr" / "object_detection.config"
    card = cards.load_card(config, "blood-cells", cards.DETECTION)
    with Files(BLOOD) as files:
        some = data_sets.load(files, cards.DETECTION, "val").limited(30)
        evaluation = evaluate_model("blood-cells", card, some, 8)
    assert evaluation.scores.columns()["mAP@0.5"] > 0.85
