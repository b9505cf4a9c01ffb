"""`scai quantize`: smaller models that say the same, told of in full, and sentences otherwise."""

from __future__ import annotations

import errno
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support import tiny_models
from support.helpers import picture

from scai.models import cards
from tools.common import model_choice
from tools.datasets.files import Files
from tools.shrink import calibration, comparison, quantize

COLOURS = {"blue": (30, 40, 200), "green": (40, 190, 50), "red": (200, 50, 40)}
SIDE = 16


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(quantize.main, [str(a) for a in arguments])


def coloured(name: str, number: int) -> np.ndarray:
    """A (20, 24, 3) uint8 picture of a class, with noise."""
    rng = np.random.default_rng((number, *name.encode()))
    noise = rng.normal(0, 25, (20, 24, 3))
    return np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8)


def fill(folder: Path, count: int = 8) -> Path:
    for name in COLOURS:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(coloured(name, number)).save(folder / name / f"{number}.png")
    return folder


@functools.cache
def trained() -> Path:
    """A .keras file that has learned the three colours, with its labels and card beside it."""
    tf = tiny_models.tensorflow()
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(2)
    source = layers.Input((SIDE, SIDE, 3), name="image")
    y = layers.Conv2D(8, 3, padding="same", use_bias=False)(source)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    seen = layers.GlobalAveragePooling2D()(y)
    y = layers.Dense(3, activation="softmax", name="d")(seen)
    pictures = [coloured(n, 100 + i)[:SIDE, :SIDE] for i in range(16) for n in COLOURS]
    x = (np.array(pictures, np.float32) - 100) / 50
    # The last layer by least squares: a training without steps.
    features = np.array(tf.keras.Model(source, seen)(x))
    targets = 8 * np.eye(3)[np.arange(48) % 3] - 4
    matrix = np.linalg.lstsq(np.c_[features, np.ones(48)], targets, rcond=None)[0]
    model = tf.keras.Model(source, y)
    model.get_layer("d").set_weights([matrix[:-1], matrix[-1]])
    folder = tiny_models.folder() / "colours"
    folder.mkdir()
    model.save(str(folder / "colours.keras"))
    (folder / "labels.txt").write_text("\n".join(COLOURS) + "\n")
    keys = {"mean": 100.0, "std": 50.0, "resize": "stretch, area"}
    (folder / "card.json").write_text(json.dumps({"input": keys}))
    return folder / "colours.keras"


def answers(model: Path, labels: Path, data: Path) -> list[str]:
    """What the worker says of all pictures, by a card written by hand."""
    from scai.pictures.pixels import decode

    card = cards.ModelCard(
        cards.CLASSIFICATION,
        Path("test"),
        "test",
        graph=model,
        labels=labels,
        input_mean=100,
        input_std=50,
        resize="area",
    )
    recognizer = model_choice.build(card, 1)
    try:
        images = [decode(path.read_bytes()) for path in sorted(data.rglob("*.png"))]
        return [result.labels[0] for result in recognizer.recognize(images)]
    finally:
        recognizer.close()


@pytest.mark.slow
def test_all_modes_keep_the_answers_and_are_told_of(tmp_path: Path) -> None:
    data, out = fill(tmp_path / "data"), tmp_path / "small"
    modes = ("--mode", "dynamic", "--mode", "float16", "--mode", "int8", "--mode", "float32")
    done = run_command(trained(), *modes, "--calibration", data, "--data", data, "--out", out)
    assert done.exit_code == 0, done.output
    truth = [path.parent.name for path in sorted(data.rglob("*.png"))]
    for mode in modes[1::2]:
        assert answers(out / f"colours-{mode}.tflite", out / "labels.txt", data) == truth
        assert f"[colours-{mode}]" in done.output
    for line in ("INPUT_MEAN = 100", "INPUT_STD = 50", "RESIZE = area"):
        assert line in done.output
    card = json.loads((out / "card.json").read_text())
    assert card["metrics"]["int8: top-1"] == card["metrics"]["before: top-1"] == 1
    assert card["metrics"]["int8: same answer as before"] == 1
    assert "24 pictures of data" in card["data"] and card["classes"] == list(COLOURS)
    assert len(card["files"]["colours-int8.tflite"]["sha256"]) == 64
    assert (out / "comparison.png").read_bytes()[:4] == b"\x89PNG"
    assert card["trained_with"].startswith("scai quantize colours.keras --out ")
    assert "--mode int8" in card["trained_with"]
    assert str(tmp_path) not in (out / "card.md").read_text() + (out / "card.json").read_text()


@pytest.mark.slow
def test_int8_is_int8_throughout_and_by_channel(tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    data, out = fill(tmp_path / "data"), tmp_path / "small.tflite"
    done = run_command(
        trained(), "--mode", "int8", "--io", "uint8", "--calibration", data, "--out", out
    )
    assert done.exit_code == 0, done.output
    assert "same answer" in done.output and "top-1" not in done.output
    model = Interpreter(str(out))
    ends = [model.get_input_details()[0], model.get_output_details()[0]]
    assert [end["dtype"] for end in ends] == [np.uint8, np.uint8]
    tensors = model.get_tensor_details()
    assert not [t["name"] for t in tensors if t["dtype"] == np.float32]
    scales = [len(t["quantization_parameters"]["scales"]) for t in tensors]
    assert 8 in scales  # one for each of the convolution's channels
    truth = [path.parent.name for path in sorted(data.rglob("*.png"))]
    assert answers(out, trained().with_name("labels.txt"), data) == truth
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "small.tflite"]


@pytest.mark.slow
def test_a_section_is_quantised_from_what_lies_beside_and_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "image_classification.config"
    folder = trained().parent
    (folder / "colours.tflite").write_bytes(b"")
    config.write_text(
        f"[colours]\nGRAPH = {folder}/colours.tflite\nLABELS = {folder}/labels.txt\n"
        "INPUT_MEAN = 100\nINPUT_STD = 50\nRESIZE = area\nTOP_K = 2\n"
    )
    out = tmp_path / "small"
    flags = ("--mode", "dynamic", "--install", "small", "--config", config)
    done = run_command(f"{config}:colours", "--out", out, *flags)
    assert done.exit_code == 0, done.output
    assert "which lies beside" in done.output
    card = cards.load_card(config, "small", cards.CLASSIFICATION)
    assert card.graph == tmp_path / "models/small/colours-dynamic.tflite"
    assert (card.input_mean, card.resize, card.top_k) == (100, "area", 2)
    data = fill(tmp_path / "data", 1)
    assert answers(card.graph, card.labels, data) == sorted(COLOURS)
    done = run_command(f"{config}:colours", "--out", tmp_path / "again", *flags)
    assert done.exit_code == 2 and "--force replaces it" in done.output
    assert not (tmp_path / "again").exists()


@pytest.mark.slow
def test_pictures_are_prepared_as_the_worker_does_and_bad_ones_named(tmp_path: Path) -> None:
    from scai.pictures.pixels import decode

    data = fill(tmp_path / "data", 2)
    (data / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    card = cards.ModelCard(
        cards.CLASSIFICATION, Path("test"), "test", graph=trained(), input_mean=100, input_std=50
    )
    recognizer = model_choice.build(card, 1)
    try:
        with Files(data) as files:
            found = calibration.read(files, recognizer, 200)
        first = recognizer.prepare(decode((data / "blue" / "0.png").read_bytes()))
    finally:
        recognizer.close()
    assert list(found.broken) == ["bad.jpg"] and len(found.inputs) == 6
    assert found.inputs[0].shape == (1, SIDE, SIDE, 3) and np.array_equal(found.inputs[0][0], first)
    assert len(list(found.samples())) == 6


@pytest.mark.slow
def test_a_real_graph_loses_three_quarters_of_its_bytes(tmp_path: Path, shared: Path) -> None:
    model = shared / "models" / "retrained_graph.pb"
    done = run_command(model, "--mode", "dynamic", "--out", tmp_path / "small")
    assert done.exit_code == 0, done.output
    [small] = (tmp_path / "small").glob("*.tflite")
    assert small.stat().st_size < 0.35 * model.stat().st_size
    assert "INPUT_MEAN = 127.5 is likely" in done.output


@pytest.mark.slow
def test_detectors_of_any_size_want_one(tmp_path: Path) -> None:
    model, out = tiny_models.detector(), tmp_path / "small"
    (model.parent / "two.txt").write_text("one\ntwo\n")
    flags = ("--mode", "dynamic", "--out", out, "--labels", model.parent / "two.txt")
    done = run_command(model, *flags)
    assert done.exit_code == 2 and "it takes any size" in done.output and not out.exists()
    done = run_command(model, *flags, "--input_height", 32, "--input_width", 32)
    assert done.exit_code == 0, done.output
    assert "PATH_TO_CKPT" in done.output and list(out.glob("*.tflite"))


def test_a_detectors_last_layers_and_what_follows_stay_float32() -> None:
    from tools.network_files.facts import GraphOperation
    from tools.shrink import int8_detectors

    steps = [
        GraphOperation("scaled", "MUL", None, ("image",)),
        GraphOperation("body", "CONV_2D", None, ("scaled",)),
        GraphOperation("sum", "ADD", None, ("body", "scaled")),
        GraphOperation("boxes", "CONV_2D", None, ("sum",)),
        GraphOperation("classes", "CONV_2D", None, ("sum",)),
        GraphOperation("chosen", "TOPK_V2", None, ("boxes", "classes")),
    ]
    assert int8_detectors.tail(steps) == ["boxes", "classes", "chosen"]


def test_what_is_clearly_worse_is_said() -> None:
    rows = [comparison.Row(n, "e", 1, 1.0, {"top-1": v}) for n, v in (("a", 0.9), ("b", 0.8))]
    assert "b loses 0.100 of top-1" in comparison.warnings(rows)[-1]
    assert comparison.warnings(rows[:1] * 2) == []


def empty(folder: Path) -> Path:
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing to see")
    return folder


def unreadable(folder: Path) -> Path:
    folder.mkdir()
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    return folder


def one_picture(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture())
    return folder


INT8 = ("--mode", "int8")


@pytest.mark.parametrize(
    ("model", "flags", "sentence"),
    [
        (lambda: "nowhere.pb", (), "no such file"),
        (lambda: "nosuchsection", (), "expected a model file or one of the sections"),
        (lambda: tiny_models.folder() / "alone.tflite", (), "cannot be quantised again"),
        (trained, INT8, "expected --calibration"),
        (trained, (*INT8, "--calibration", empty), "expected pictures to calibrate with"),
        (trained, (*INT8, "--calibration", unreadable), "could be read"),
        (trained, (*INT8, "--calibration", "nowhere"), "no such file or folder"),
        (trained, ("--io", "uint8"), "expected --mode int8 alone"),
        (trained, ("--install", "x"), "expected one --mode"),
        (trained, ("--labels", "nowhere.txt"), "expected a file"),
        (trained, ("--data", one_picture), "expected"),
        (trained, ("--output_layer", "nothing"), "a layer named 'nothing'"),
        (trained, ("--input_std", "0"), "other than 0"),
    ],
)
@pytest.mark.slow
def test_bad_input_gives_one_sentence_and_no_output(tmp_path, model, flags, sentence) -> None:
    (tiny_models.folder() / "alone.tflite").write_bytes(tiny_models.tflite().read_bytes())
    options = [flag(tmp_path / "given") if callable(flag) else flag for flag in flags]
    done = run_command(model(), "--out", tmp_path / "small", *options)
    assert done.exit_code == 2 and sentence in done.output, done.output
    assert len(done.output.strip().splitlines()) == 1, done.output
    assert not [path.name for path in tmp_path.iterdir() if path.name != "given"]


@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "card.json")

    monkeypatch.setattr("tools.common.cards.publish", full)
    done = run_command(trained(), "--mode", "dynamic", "--out", tmp_path / "small")
    assert done.exit_code == 2 and "No space left" in done.output
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "small"
    out.mkdir()
    (out / "mine").write_text("mine")
    assert "--force replaces it" in run_command(trained(), "--out", out).output
    assert (
        "does not hold the model"
        in run_command(trained(), "--out", trained().parent, "--force").output
    )
    assert "a folder for" in run_command(trained(), "--out", tmp_path / "x.tflite").output
    assert (out / "mine").read_text() == "mine"
    assert run_command(trained(), "--mode", "float16", "--out", out, "--force").exit_code == 0
    assert not (out / "mine").exists()
