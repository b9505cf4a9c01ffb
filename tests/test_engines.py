"""What every engine promises, and that they all say what TensorFlow says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from scai import plugins
from scai.cards import CLASSIFICATION, DETECTION, ModelCard
from scai.choose import candidates, load_engine, model_file
from scai.engines import base
from scai.engines.base import EngineBase, ModelFile
from scai.errors import ConfigError, EngineError, UnsupportedModel

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "usr" / "models" / "digits"
LIBRARIES = ("tensorflow", "openvino", "ai_edge_litert", "cv2", "keras")
FROZEN_LAYERS = {"inputs": ("input",), "outputs": ("final_result",)}


def openvino_model() -> Path:
    """A classifier of (batch 1, 8, 8, 3), made with OpenVINO alone."""
    ov = plugins.load("engines", "openvino").library()
    ops = ov.opset8
    x = ops.parameter([1, 8, 8, 3], np.float32, name="input")
    y = ops.reduce_mean(x, ops.constant(np.array([1, 2])), False)
    y = ops.matmul(y, ops.constant(tiny_models.weights()[1][:3]), False, False)
    y = ops.softmax(ops.reshape(y, ops.constant(np.array([1, 4])), False), 1)
    y.output(0).set_names({"final_result"})
    x.output(0).set_names({"input"})
    path = tiny_models.folder() / "tiny.xml"
    ov.serialize(ov.Model([y], [x]), str(path))
    return path


# For each engine a model that it reads; an engine added later is tested once it stands here.
MAKERS: dict[str, Callable[[], ModelFile]] = {
    "fake": lambda: ModelFile(Path("."), classes=4),
    "litert": lambda: ModelFile(DIGITS / "digits.tflite"),
    "openvino": lambda: ModelFile(openvino_model()),
    "tensorflow": lambda: ModelFile(tiny_models.frozen(), **FROZEN_LAYERS),
}
SLOW = {"tensorflow"}


def engine_params() -> list:
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in plugins.names("engines")
    ]


@contextmanager
def opened(name: str, model: ModelFile) -> Iterator[EngineBase]:
    engine = plugins.load("engines", name).Engine(model)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module", params=engine_params())
def engine(request: pytest.FixtureRequest) -> Iterator[EngineBase]:
    if request.param not in MAKERS:
        pytest.skip(f"no tiny model for engine {request.param} in MAKERS")
    if not plugins.load("engines", request.param).available():
        pytest.skip(f"the library of engine {request.param} is not installed")
    with opened(request.param, MAKERS[request.param]()) as made:
        yield made


def batch(engine: EngineBase, images: int, seed: int = 1) -> np.ndarray:
    noise = base.example(engine.input, images)
    return np.random.default_rng(seed).permutation(noise.ravel()).reshape(noise.shape)


# -- the contract -----------------------------------------------------------------------------


def test_the_engine_states_its_ends(engine: EngineBase) -> None:
    assert engine.input.shape[0] is None and len(engine.input.shape) == 4
    assert engine.outputs and all(spec.shape[0] is None for spec in engine.outputs)
    assert engine.name in engine.describe() and "\n" not in engine.describe()


@pytest.mark.parametrize("images", [1, 2, 4, 3, 1])
def test_every_output_has_as_many_rows_as_images(engine: EngineBase, images: int) -> None:
    outputs = engine.infer(batch(engine, images))
    assert len(outputs) == len(engine.outputs)
    for spec, array in zip(engine.outputs, outputs, strict=True):
        assert len(array) == images
        assert str(array.dtype) == spec.dtype


def test_an_image_gets_the_same_answer_alone_and_in_a_batch(engine: EngineBase) -> None:
    images = batch(engine, 4)
    together = engine.infer(images)
    for i in range(4):
        alone = engine.infer(images[i : i + 1])
        for a, b in zip(together, alone, strict=True):
            assert np.allclose(a[i], b[0], atol=1e-5)


def test_outputs_stay_as_they_were_after_the_next_call(engine: EngineBase) -> None:
    first = engine.infer(batch(engine, 2, seed=1))
    kept = [array.copy() for array in first]
    engine.infer(batch(engine, 2, seed=2))
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))


def test_the_input_is_not_changed(engine: EngineBase) -> None:
    images = batch(engine, 2)
    before = images.copy()
    images.flags.writeable = False
    engine.infer(images)
    assert np.array_equal(images, before)


@pytest.mark.parametrize("shape", [(1, 5, 8, 7), (1, 8, 8), (8,)])
def test_a_wrong_shape_is_an_engine_error(engine: EngineBase, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError):
        engine.infer(np.zeros(shape, engine.input.dtype))
    engine.infer(batch(engine, 1))  # and the next one runs


@pytest.mark.parametrize("name", engine_params())
@pytest.mark.parametrize("content", [b"", b"this is no model\n" * 9, b"\x08\x01" * 40])
def test_a_file_that_is_no_model_is_unsupported(name: str, content: bytes, tmp_path: Path) -> None:
    for suffix in plugins.load("engines", name).SUFFIXES:
        if suffix:
            file = tmp_path / f"broken{suffix}"
            file.write_bytes(content)
            with pytest.raises(UnsupportedModel) as caught:
                plugins.load("engines", name).Engine(ModelFile(file))
            assert str(file) in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("name", engine_params())
def test_a_missing_file_is_a_config_error(name: str, tmp_path: Path) -> None:
    module = plugins.load("engines", name)
    for suffix in module.SUFFIXES:
        with pytest.raises(ConfigError, match="none"):
            module.Engine(ModelFile(tmp_path / f"none{suffix}"))


def test_importing_every_engine_loads_no_library() -> None:
    code = (
        "import sys; from scai import plugins\n"
        "for n in plugins.names('engines'): plugins.load('engines', n).available()\n"
        f"print([m for m in {LIBRARIES} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


# -- one by one -------------------------------------------------------------------------------


def test_fake_says_what_its_file_says() -> None:
    with opened("fake", ModelFile(Path("."), classes=4)) as engine:
        grey = np.full((1, 32, 32, 3), 130, np.uint8)
        assert engine.infer(grey)[0].argmax() == 130 * 4 // 256
    detection = ModelFile(Path("."), outputs=("detection_boxes",), classes=4)
    with opened("fake", detection) as engine:
        picture = np.zeros((1, 100, 200, 3), np.uint8)
        assert engine.infer(picture)[0].tolist() == [0]
        picture[0, 20:60, 50:150] = 200
        count, boxes, scores, classes = engine.infer(picture)
        assert count.tolist() == [1]
        assert np.allclose(boxes, [[[0.2, 0.25, 0.6, 0.75]]])
        assert np.allclose(scores, 0.9) and classes.tolist() == [[200 * 4 // 256 + 1]]


def test_openvino_frees_a_frozen_batch_and_its_reshape() -> None:
    with opened("openvino", ModelFile(openvino_model())) as engine:
        assert "free batch" in engine.describe()
    with opened("openvino", ModelFile(openvino_model(), batch=1)) as engine:
        assert "one by one" in engine.describe()


def test_openvino_does_not_call_home(tmp_path: Path) -> None:
    """Importing the package by itself starts a thread that reports to Google Analytics."""
    code = (
        "import sys, threading; from scai import plugins\n"
        "plugins.load('engines', 'openvino').library()\n"
        "print(threading.active_count(), sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "1 None\n", done.stderr
    assert not list(tmp_path.iterdir())


def test_openvino_names_the_nearest_layers() -> None:
    with pytest.raises(ConfigError) as caught:
        plugins.load("engines", "openvino").Engine(
            ModelFile(openvino_model(), outputs=("final_resutl",))
        )
    assert "'final_resutl'" in caught.value.message and "final_result" in caught.value.message


def test_litert_names_the_nearest_layers() -> None:
    with pytest.raises(ConfigError, match="nearest: input"):
        plugins.load("engines", "litert").Engine(
            ModelFile(DIGITS / "digits.tflite", inputs=("inputs",))
        )


# -- against TensorFlow -----------------------------------------------------------------------

PAIRS = [
    ("openvino", tiny_models.frozen, FROZEN_LAYERS),
    ("openvino", tiny_models.frozen, {}),
    # the seed's names, with prefix and port
    (
        "openvino",
        tiny_models.frozen,
        {"inputs": ("import/input",), "outputs": ("probabilities:0",)},
    ),
    ("openvino", tiny_models.saved_model, {}),
    ("openvino", tiny_models.saved_model, {"outputs": ("scores",)}),
    ("openvino", tiny_models.tflite, {}),
    ("tensorflow", tiny_models.frozen, {}),
    (
        "tensorflow",
        tiny_models.frozen,
        {"inputs": ("import/input:0",), "outputs": ("probabilities",)},
    ),
    ("tensorflow", tiny_models.saved_model, {}),
    ("tensorflow", tiny_models.keras, {}),
    ("litert", tiny_models.tflite, {}),
    ("litert", tiny_models.tflite, {"outputs": ("scores",)}),
]


def expected(images: np.ndarray) -> np.ndarray:
    tf = tiny_models.tensorflow()
    return tiny_models.classify(tf, tf.constant(images), -1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make", "layers"), PAIRS)
def test_every_engine_says_what_tensorflow_says(name: str, make: Callable, layers: dict) -> None:
    images = np.random.default_rng(2).random((4, 8, 8, 3), np.float32)
    with opened(name, ModelFile(make(), **layers)) as engine:
        (scores,) = engine.infer(images)
    assert np.abs(scores - expected(images)).max() < 1e-3


@pytest.mark.slow
def test_int8_outputs_come_as_real_numbers() -> None:
    images = np.random.default_rng(2).random((4, 8, 8, 3), np.float32)
    with opened("litert", ModelFile(tiny_models.tflite_int8())) as engine:
        spec = engine.input
        assert spec.dtype == "int8" and spec.scale > 0
        stored = np.clip(np.rint(images / spec.scale) + spec.zero_point, -128, 127)
        (scores,) = engine.infer(stored.astype(np.int8))
    assert scores.dtype == np.float32
    assert np.abs(scores - expected(images)).max() < 0.05
    with pytest.raises(UnsupportedModel, match="scale"):
        plugins.load("engines", "openvino").Engine(ModelFile(tiny_models.tflite_int8()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "tensorflow"])
def test_a_graph_is_cut_at_an_inner_layer(name: str) -> None:
    """The seed's retrained graphs start at a layer behind the decoding of the JPEG."""

    def build(tf) -> None:
        raw = tf.compat.v1.placeholder(tf.string, [], "DecodeJpeg/contents")
        decoded = tf.image.decode_jpeg(raw, 3)
        resized = tf.image.resize(tf.cast(decoded, tf.float32)[None], [8, 8])
        inner = tf.reshape(resized, [1, 8, 8, 3], name="Mul")
        tf.identity(tiny_models.classify(tf, inner, 1), "final_result")

    path = tiny_models.save_graph("inner.pb", build)
    images = np.random.default_rng(2).random((3, 8, 8, 3), np.float32)
    try:
        with opened(name, ModelFile(path, inputs=("Mul",), outputs=("final_result",))) as engine:
            (scores,) = engine.infer(images)
    except UnsupportedModel:
        assert name == "openvino"  # it may refuse; TensorFlow then takes over
        return
    assert np.abs(scores - expected(images)).max() < 1e-3


@pytest.mark.slow
def test_a_tf1_while_loop_runs() -> None:
    card = ModelCard(
        CLASSIFICATION,
        Path("c"),
        "m",
        graph=tiny_models.loop(),
        input_layer="input",
        output_layer="final_result",
    )
    engine = load_engine(card)
    images = np.random.default_rng(2).random((2, 8, 8, 3), np.float32)
    (result,) = engine.infer(images)
    assert np.allclose(result, images.mean((1, 2)) * 8 + 7, atol=1e-3)
    engine.close()
    with opened("tensorflow", ModelFile(tiny_models.loop(), **FROZEN_LAYERS)) as engine:
        assert np.allclose(engine.infer(images)[0], result, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "tensorflow"])
def test_a_detector_of_batch_one_takes_four_photos(name: str) -> None:
    with opened(name, ModelFile(tiny_models.detector())) as engine:
        images = np.zeros((4, 30, 50, 3), np.uint8)
        images[:, :, :, 0] = np.array([0, 60, 120, 240]).reshape(4, 1, 1)
        outputs = engine.infer(images)
        scores = outputs[base.output_index(engine.outputs, "detection_scores")]
        assert np.allclose(scores[:, 0] * 255, [0, 60, 120, 240], atol=0.5)
        assert outputs[base.output_index(engine.outputs, "detection_masks")].shape[:2] == (4, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openvino", "tensorflow"])
def test_a_missing_layer_names_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match="nearest: .*final_result"):
        plugins.load("engines", name).Engine(
            ModelFile(tiny_models.frozen(), outputs=("final_results",))
        )


# -- which engine -----------------------------------------------------------------------------


def card(graph: Path, **values: object) -> ModelCard:
    return ModelCard(CLASSIFICATION, Path("m.config"), "m", graph=graph, **values)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("m.pb", "openvino"),
        ("m.tflite", "litert"),
        ("m.onnx", "openvino"),
        ("m.keras", "tensorflow"),
    ],
)
def test_the_fastest_engine_is_asked_first(name: str, first: str) -> None:
    assert candidates(card(Path(name)))[0] == first


def test_a_folder_is_a_saved_model(tmp_path: Path) -> None:
    assert candidates(card(tmp_path)) == ["openvino", "tensorflow"]
    # named by its inner file, too
    assert candidates(card(tmp_path / "saved_model.pb")) == ["openvino", "tensorflow"]
    assert model_file(card(tmp_path / "saved_model.pb"), "", 0, 0).path == tmp_path


def test_an_unknown_kind_of_file_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"expected a \.pb, .* got m\.docx"):
        candidates(card(Path("m.docx")))


def test_an_engine_that_refuses_is_followed_by_the_next(monkeypatch, caplog) -> None:
    litert = plugins.load("engines", "litert")

    def refuse(self: object, model: ModelFile) -> None:
        raise UnsupportedModel("litert has a bad day")

    monkeypatch.setattr(litert.Engine, "__init__", refuse)
    with caplog.at_level("INFO"):
        engine = load_engine(card(DIGITS / "digits.tflite"))
    assert engine.name == "openvino"
    assert [r.getMessage() for r in caplog.records if "litert has a bad day" in r.getMessage()]
    engine.close()
    with pytest.raises(UnsupportedModel, match="bad day"):
        load_engine(card(DIGITS / "digits.tflite", engine="litert"))


def test_an_engine_that_is_not_installed_is_not_asked(monkeypatch) -> None:
    monkeypatch.setattr(plugins.load("engines", "openvino"), "available", lambda: False)
    assert candidates(card(Path("m.pb"))) == ["tensorflow"]
    monkeypatch.setattr(plugins.load("engines", "tensorflow"), "available", lambda: False)
    with pytest.raises(ConfigError, match="openvino or tensorflow to be installed"):
        candidates(card(Path("m.pb")))


def test_the_wrong_layer_is_blamed_on_the_section() -> None:
    with pytest.raises(
        ConfigError, match=r"^m\.config: \[m\] OUTPUT_LAYER: .*expected a layer named 'x'"
    ):
        load_engine(card(DIGITS / "digits.tflite", output_layer="x"))


def test_fake_serves_both_kinds() -> None:
    for kind, outputs in ((CLASSIFICATION, 1), (DETECTION, 4)):
        engine = load_engine(ModelCard(kind, Path("c"), "m", engine="fake"), classes=3)
        assert len(engine.outputs) == outputs
