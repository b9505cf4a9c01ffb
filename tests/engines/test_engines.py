"""What every engine promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.engine_makers import (
    DIGITS,
    LIBRARIES,
    MAKERS,
    ROOT,
    engine_params,
    open_engine,
    openvino_model,
)

from scai import plugins
from scai.engines import base
from scai.engines.base import EngineBase, ModelFile
from scai.errors import ConfigError, EngineError, UnsupportedModel


@pytest.fixture(scope="module", params=engine_params())
def engine(request: pytest.FixtureRequest) -> Iterator[EngineBase]:
    if request.param not in MAKERS:
        pytest.skip(f"no tiny model for engine {request.param} in MAKERS")
    if not plugins.load("engines", request.param).available():
        pytest.skip(f"the library of engine {request.param} is not installed")
    with open_engine(request.param, MAKERS[request.param]()) as made:
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
    copies = [array.copy() for array in first]
    engine.infer(batch(engine, 2, seed=2))
    assert all(np.array_equal(a, b) for a, b in zip(first, copies, strict=True))


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
    with open_engine("fake", ModelFile(Path("."), classes=4)) as engine:
        grey = np.full((1, 32, 32, 3), 130, np.uint8)
        assert engine.infer(grey)[0].argmax() == 130 * 4 // 256
    detection = ModelFile(Path("."), outputs=("detection_boxes",), classes=4)
    with open_engine("fake", detection) as engine:
        picture = np.zeros((1, 100, 200, 3), np.uint8)
        assert engine.infer(picture)[0].tolist() == [0]
        picture[0, 20:60, 50:150] = 200
        count, boxes, scores, classes = engine.infer(picture)
        assert count.tolist() == [1]
        assert np.allclose(boxes, [[[0.2, 0.25, 0.6, 0.75]]])
        assert np.allclose(scores, 0.9) and classes.tolist() == [[200 * 4 // 256 + 1]]


def test_openvino_frees_a_frozen_batch_and_its_reshape() -> None:
    with open_engine("openvino", ModelFile(openvino_model())) as engine:
        assert "free batch" in engine.describe()
    with open_engine("openvino", ModelFile(openvino_model(), batch=1)) as engine:
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
