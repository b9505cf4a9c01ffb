"""What is told of a model file that nobody described."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scai.models.cards import CLASSIFICATION, DETECTION, load_card
from scai.settings import ROOT
from tools.list_ops import command
from tools.list_ops.guess import NEITHER, guess
from tools.list_ops.input_range import LIKELY, SURE, UNSURE
from tools.network_files import formats
from tools.network_files.facts import GraphOperation, NetworkFacts, Tensor

# -- files made by hand -----------------------------------------------------------------------


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def shape(*sides: int) -> bytes:
    return b"".join(field(2, field(1, side)) for side in sides)


def attribute(key: str, value: bytes) -> bytes:
    return field(5, field(1, key) + field(2, value))


def node(name: str, kind: str, *takes: str, attributes: bytes = b"") -> bytes:
    inputs = b"".join(field(3, one) for one in takes)
    return field(1, field(1, name) + field(2, kind) + inputs + attributes)


def constant(name: str, value: float) -> bytes:
    tensor = field(1, 1) + field(2, b"") + field(4, struct.pack("<f", value))
    return node(name, "Const", attributes=attribute("value", field(8, tensor)))


def placeholder(name: str, *sides: int, dtype: int = 1) -> bytes:
    attrs = attribute("dtype", field(6, dtype)) + attribute("shape", field(7, shape(*sides)))
    return node(name, "Placeholder", attributes=attrs)


SCALED = (
    placeholder("image", -1, 96, 96, 3)
    + constant("half", 127.5)
    + constant("one", 1.0)
    + node("div", "RealDiv", "image", "half")
    + node("sub", "Sub", "div", "one")
    + node("conv", "Conv2D", "sub")
    + node("scores", "Softmax", "conv:0")
)


def test_a_frozen_graph_is_read_without_tensorflow(tmp_path: Path) -> None:
    path = tmp_path / "scaled.pb"
    path.write_bytes(SCALED)
    facts = formats.read(path, shapes=False)
    assert facts.inputs == (Tensor("image", (None, 96, 96, 3), "float32"),)
    assert [t.name for t in facts.outputs] == ["scores"]
    assert dict(facts.by_type()) == {
        "Const": 2,
        "Placeholder": 1,
        "RealDiv": 1,
        "Sub": 1,
        "Conv2D": 1,
        "Softmax": 1,
    }
    # pixels / 127.5 - 1 stands in the graph, so it takes them as they are
    keys = guess(facts).keys
    assert (keys["INPUT_MEAN"].value, keys["INPUT_STD"].value) == ("0", "1")
    assert keys["INPUT_HEIGHT"].value == "96" and keys["INPUT_HEIGHT"].sure == SURE


def test_a_saved_model_is_read_by_its_signature(tmp_path: Path) -> None:
    def argument(name: str, *sides: int) -> bytes:
        return field(1, name) + field(2, field(1, "x:0") + field(2, 1) + field(3, shape(*sides)))

    signature = field(1, argument("image", -1, 8, 8, 3)) + field(2, argument("probs", -1, 4))
    signature = field(1, "serving_default") + field(2, signature)
    function = field(3, node("softmax", "Softmax", "x")[2:])  # FunctionDef.node_def
    graph = node("call", "StatefulPartitionedCall", "x") + field(2, field(1, function))
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(
        field(1, 1) + field(2, field(2, graph) + field(5, signature))
    )
    for path in (folder, folder / "saved_model.pb"):
        facts = formats.read(path)
        assert facts.inputs == (Tensor("image", (None, 8, 8, 3), "float32"),)
        assert facts.outputs == (Tensor("probs", (None, 4), "float32"),)
        verdict = guess(facts)
        assert (verdict.kind.value, verdict.kind.sure, verdict.classes) == (
            CLASSIFICATION,
            LIKELY,
            4,
        )


def test_an_onnx_model_is_read_without_its_library(tmp_path: Path) -> None:
    def value(number: int, name: str, *sides: int) -> bytes:
        dims = b"".join(field(1, field(1, s) if s > 0 else field(2, "batch")) for s in sides)
        return field(number, field(1, name) + field(2, field(1, field(1, 1) + field(2, dims))))

    graph = (
        field(1, field(1, "x") + field(1, "w") + field(2, "y") + field(4, "Gemm"))
        + field(1, field(1, "y") + field(2, "p") + field(4, "Softmax"))
        + field(5, field(8, "w") + field(2, 1))
        + value(11, "x", -1, 3, 64, 48)
        + value(11, "w", 4, 4)  # older files list weights as inputs
        + value(12, "p", -1, 4)
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(field(1, 8) + field(7, graph))
    facts = formats.read(path)
    assert facts.inputs == (Tensor("x", (None, 3, 64, 48), "float32"),)
    verdict = guess(facts)
    assert verdict.kind.value == CLASSIFICATION and verdict.classes == 4
    assert verdict.keys["INPUT_HEIGHT"].value == "64" and verdict.keys["INPUT_WIDTH"].value == "48"


def test_a_keras_archive_is_read_by_its_config(tmp_path: Path) -> None:
    def layer(kind: str, name: str, parent: str = "", attrs: list | None = None, **config) -> dict:
        nodes = [{"args": [{"config": {"keras_history": [parent, 0, 0]}}]}] if parent else []
        return {
            "class_name": kind,
            "config": {"name": name, **config},
            "build_config": {"input_shape": attrs} if attrs else None,
            "inbound_nodes": nodes,
        }

    layers = [
        layer("InputLayer", "image", batch_shape=[None, 32, 32, 3], dtype="float32"),
        layer("Rescaling", "rescaling", "image", scale=1 / 255, offset=0.0),
        layer("Flatten", "flat", "rescaling", [None, 32, 32, 3]),
        layer("Dense", "head", "flat", [None, 3072], units=7, activation="softmax"),
    ]
    config = {
        "class_name": "Functional",
        "config": {"layers": layers, "output_layers": [["head", 0, 0]]},
    }
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    verdict = guess(formats.read(path))
    assert (verdict.kind.value, verdict.classes) == (CLASSIFICATION, 7)
    assert verdict.keys["INPUT_MEAN"].value == "0" and verdict.keys["INPUT_STD"].value == "1"


# -- guesses ----------------------------------------------------------------------------------


def facts(
    *steps: str, name: str = "input", shape: tuple = (1, 224, 224, 3), **rest
) -> NetworkFacts:
    """A chain of operations behind an input; `steps` are "name:Type" or a type."""
    operations, before = [], name
    for step in steps:
        own, _, kind = step.rpartition(":")
        operations.append(GraphOperation(own or kind, kind, None, (before,)))
        before = own or kind
    out = Tensor(before, rest.get("out", (1, 5)), "float32")
    return NetworkFacts(
        "", (Tensor(name, shape, rest.get("dtype", "float32")),), (out,), tuple(operations)
    )


@pytest.mark.parametrize(
    ("model", "name", "mean", "std", "sure"),
    [
        (facts("MobilenetV1/Conv:Conv2D", "Softmax"), "", "127.5", "127.5", LIKELY),
        (facts("Conv2D", "Softmax"), "mobilenet_v3_large.pb", "127.5", "127.5", LIKELY),
        (facts("InceptionV3/Conv:Conv2D", "Softmax"), "", "0", "255", UNSURE),
        (facts("InceptionResnetV2/Conv:Conv2D", "Softmax"), "", "127.5", "127.5", LIKELY),
        (facts("resnet_v2_50/Conv:Conv2D", "Softmax"), "", "127.5", "127.5", LIKELY),
        (facts("vgg_16/Conv:Conv2D", "Softmax"), "", "117", "1", UNSURE),
        (facts("Conv2D", "Softmax"), "efficientnet-lite0.tflite", "127", "128", LIKELY),
        (facts("Conv2D", "Softmax"), "model.pb", "0", "255", UNSURE),
        # whole numbers are pixels, whatever the family
        (facts("MobilenetV1/Conv:Conv2D", "Softmax", dtype="uint8"), "", "", "", SURE),
    ],
)
def test_mean_and_std_go_by_the_family(model, name, mean, std, sure) -> None:
    keys = guess(model, name).keys
    assert (keys["INPUT_MEAN"].value, keys["INPUT_STD"].value) == (mean, std)
    assert keys["INPUT_MEAN"].sure == sure


@pytest.mark.parametrize(
    ("model", "kind", "sure"),
    [
        (facts("Conv2D", "Softmax", "Reshape"), CLASSIFICATION, SURE),
        (facts("Conv2D", "LOGISTIC"), CLASSIFICATION, SURE),
        (facts("Conv2D", "MatMul", "Add"), CLASSIFICATION, LIKELY),
        (facts("Conv2D", "AVERAGE_POOL_2D", "Reshape", out=(1, 1, 1, 1024)), NEITHER, LIKELY),
        (facts("Conv2D", "Softmax", out=(1, 65, 65, 21)), NEITHER, LIKELY),
        (facts("Conv2D", "TFLite_Detection_PostProcess", out=None), DETECTION, SURE),
    ],
)
def test_classifier_and_detector_are_told_apart(model, kind: str, sure: str) -> None:
    verdict = guess(model)
    assert (verdict.kind.value, verdict.kind.sure) == (kind, sure)


def test_a_free_size_is_read_from_the_name() -> None:
    free = facts("Conv2D", "Softmax", shape=(None, None, None, 3))
    assert guess(free, "mobilenet_v2_1.0_192.pb").keys["INPUT_HEIGHT"].value == "192"
    assert guess(free, "inception_v3_2016.pb").keys["INPUT_WIDTH"].value == "299"
    assert guess(free, "m.pb").keys["INPUT_WIDTH"].value == ""


def test_the_inception_of_2015_takes_pixels_behind_its_decoder() -> None:
    names = ("DecodeJpeg", "Cast", "Sub", "Mul", "conv:Conv2D", "softmax:Softmax")
    chain = facts(*names, out=(1, 1008))
    keys = guess(NetworkFacts("", (), chain.outputs, chain.operations)).keys
    values = [keys[k].value for k in ("INPUT_LAYER", "INPUT_HEIGHT", "INPUT_MEAN", "INPUT_STD")]
    assert values == ["Mul", "299", "128", "128"]


# -- the command ------------------------------------------------------------------------------


def run(*words: object) -> Result:
    return CliRunner().invoke(command.main, [str(word) for word in words])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.pb", b"This is not a graph, but a letter."),
        ("m.pb", b""),
        ("cut.pb", SCALED[:-3]),
        ("m.onnx", b"no"),
        ("m.keras", b"no"),
        ("m.tflite", b"no"),
        ("m.txt", b"no"),
    ],
)
def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for place in (path, tmp_path, tmp_path / "absent.pb"):
        found = run(place)
        assert found.exit_code == 2
        assert str(place) in found.output and found.output.count("\n") == 1


def test_the_bundled_model_is_listed_with_the_lines_of_its_section(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    found = run("usr/models/digits/digits.tflite")
    assert found.exit_code == 0, found.output
    assert "  input  float32 [1, 48, 48, 3]" in found.output
    assert "a classifier of 10 classes (certain: it ends in SOFTMAX)" in found.output
    assert "LABELS = usr/models/digits/labels.txt\n" in found.output
    document_of = json.loads(run("usr/models/digits/digits.tflite", "--json", "--all").output)
    assert document_of["classes"] == 10 and document_of["operations"]["CONV_2D"] == 8
    assert len(document_of["all"]) == sum(document_of["operations"].values())


# -- real files -------------------------------------------------------------------------------


def document_of(path: Path) -> dict:
    return json.loads(run(path, "--json").output)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        (
            "mobilenet_v1_0.25_224_frozen.pb",
            CLASSIFICATION,
            ("input", "MobilenetV1/Predictions/Reshape_1", "224", "224", "127.5", "127.5"),
        ),
        ("retrained_graph.pb", CLASSIFICATION, ("input", "final_result", "128", "128")),
        (
            "mobilenet_v2_1.0_224_quant.tflite",
            CLASSIFICATION,
            ("input", "MobilenetV2/Predictions/Softmax", "224", "224", "", ""),
        ),
        (
            "coco_ssd_mobilenet_v1_quant.tflite",
            DETECTION,
            ("normalized_input_image_tensor", "", "300", "300", "", ""),
        ),
        ("mobilenet_v1_1.0_224_quant_embedding_extractor.tflite", NEITHER, ("input",)),
    ],
)
def test_real_models_are_seen_for_what_they_are(shared: Path, name, kind, values) -> None:
    found = document_of(shared / "models" / name)
    keys = ("INPUT_LAYER", "OUTPUT_LAYER", "INPUT_HEIGHT", "INPUT_WIDTH", "INPUT_MEAN", "INPUT_STD")
    assert found["kind"]["value"] == kind
    assert [found["guesses"][key]["value"] for key in keys[: len(values)]] == list(values)
    assert bool(found["config"]) == (kind != NEITHER)


@pytest.mark.slow
@pytest.mark.parametrize("make", ["frozen", "saved_model", "keras", "tflite", "tflite_int8"])
def test_the_lines_run_the_model(make: str, tmp_path: Path) -> None:
    """What list-ops prints is a section that the worker takes as it is."""
    from support import tiny_models

    from workers import image_classification

    path = getattr(tiny_models, make)()
    lines = document_of(path)["config"]
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    config = tmp_path / "m.config"
    config.write_text("\n".join(lines))
    recognizer = image_classification.build(load_card(config, path.stem, CLASSIFICATION))
    assert recognizer.engine.outputs
    recognizer.close()
