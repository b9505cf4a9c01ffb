"""`scai retrain --base`: every kind of base gives features, and a model that is served."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.helpers import SHARED
from support.retrain_data import run_command, shapes

from scai.models import cards
from tools.datasets import class_folders
from tools.retrain import bottlenecks, command

BASE = SHARED / "models" / "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
FROZEN = SHARED / "models" / "mobilenet_v1_0.25_224_frozen.pb"
NAMES = SHARED / "models" / "mobilenet_v1_labels.txt"
CAT = SHARED / "photos" / "cat_720p.jpg"
needs_shared = pytest.mark.skipif(not BASE.exists(), reason="needs ../shared/models")
pytestmark = pytest.mark.slow


def saved_model(folder: Path) -> list[object]:
    import tensorflow as tf

    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential(
        [tf.keras.Input((24, 24, 3)), layers.Conv2D(16, 5, 2, "same", activation="relu")]
    )
    model.export(folder / "saved", verbose=False)
    return ["--base", folder / "saved"]


def frozen(folder: Path) -> list[object]:
    """A graph for one picture at a time, as many were frozen."""
    import tensorflow as tf

    from tools.network_files import export as export_models

    kernel = tf.constant(np.random.default_rng(0).normal(size=(5, 5, 3, 16)), tf.float32)
    function = lambda x: tf.nn.relu(tf.nn.conv2d(x, kernel, 2, "SAME"))  # noqa: E731
    data = export_models.frozen_graph(function, (1, 24, 24, 3), tf.float32, "in", ["inner"])
    (folder / "base.pb").write_bytes(data)
    return ["--base", folder / "base.pb", "--base_layer", "inner"]


def application(folder: Path) -> list[object]:
    """A narrow network, whose width the file of weights tells."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    model = tf.keras.applications.MobileNet(
        alpha=0.25, include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    model.save_weights(folder / "narrow.weights.h5")
    return [
        *("--base", "MobileNet", "--base_weights", folder / "narrow.weights.h5"),
        *("--image_size", 32),
    ]


@pytest.mark.parametrize("make", [saved_model, frozen, application])
def test_a_base_of_each_kind_is_retrained_and_served(
    make: Callable[[Path], list[object]], tmp_path: Path
) -> None:
    from scai.pictures import pixels
    from workers.image_classification import build

    data, out = shapes(tmp_path / "data"), tmp_path / "shapes"
    flags = ["--image_dir", data, "--out", out, "--bottleneck_dir", tmp_path / "seen"]
    code, text = run_command(*flags, *make(tmp_path))
    assert code == 0, text
    assert float(text.split("accuracy (test) ")[1].split()[0]) > 0.8
    image = pixels.decode((data / "circle" / "0.png").read_bytes())
    scores = []
    files = ["shapes.tflite", "shapes.pb", "saved_model"]
    files += ["shapes.keras"] if make is application else []
    for file in files:
        config = tmp_path / "one.config"
        config.write_text(text[text.index("[shapes]") :].replace("shapes.tflite", file))
        recognizer = build(cards.load_card(config, "shapes", cards.CLASSIFICATION))
        results = recognizer.recognize([image] * 3)  # several at once, where one was frozen
        scores.append([float(r.scores[list(r.indices).index(0)]) for r in results])
        recognizer.close()
    assert np.ptp(scores) < 0.02, scores


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--base", "nowhere.tflite"], "no such file or folder"),
        (["--base", "Nonsense"], "network of keras.applications"),
        (["--base", "{here}/labels.txt"], "expected a .tflite, a .pb or a SavedModel"),
        (["--base", "{here}/bad.pb", "--base_layer", "x"], "bad.pb"),
        (["--base", "{here}/bad.tflite"], "bad.tflite"),
        (["--base", "{here}/empty"], "empty: cannot be read"),
        (["--base", "MobileNet", "--base_weights", "{here}/bad.weights.h5"], "no weights"),
        (["--base", "MobileNet", "--base_weights", "{here}/none.weights.h5"], "no weights"),
    ],
)
def test_what_is_no_base_is_one_sentence(flags, sentence: str, tmp_path: Path) -> None:
    for name in ("labels.txt", "bad.pb", "bad.tflite", "bad.weights.h5"):
        (tmp_path / name).write_bytes(b"this is no model\n" * 9)
    (tmp_path / "empty").mkdir()
    flags = [word.format(here=tmp_path) for word in flags]
    data = shapes(tmp_path / "data", count=4)
    done = CliRunner().invoke(
        command.main, ["--image_dir", str(data), "--out", str(tmp_path / "out"), *flags]
    )
    assert done.exit_code == 2 and sentence in done.stderr, done.output
    assert done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@needs_shared
def test_the_rebuilt_base_sees_what_the_tflite_sees(shared: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from tools.retrain import mobilenet_tflite

    found = class_folders.find(shared / "data" / "flowers.zip")
    images, _ = class_folders.load(found, found.items[::500], 224, "bilinear")
    lite = Interpreter(model_path=str(BASE))
    lite.allocate_tensors()
    theirs = []
    for image in images:
        lite.set_tensor(lite.get_input_details()[0]["index"], image[None])
        lite.invoke()
        theirs.append(lite.get_tensor(lite.get_output_details()[0]["index"]).ravel())
    ours = mobilenet_tflite.rebuild(BASE)((images.astype(np.float32) - 128) / 128).numpy()
    # The .tflite rounds after each of 27 layers; with that rounding the two agree to 0.999.
    assert np.corrcoef(np.ravel(theirs), ours.ravel())[0, 1] > 0.96


def constants() -> dict[str, np.ndarray]:
    """The numbers of the frozen MobileNet by name."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(FROZEN.read_bytes())
    found = [node for node in graph.node if node.op == "Const"]
    return {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in found}


def real_weights(folder: Path) -> Path:
    """The frozen MobileNet's own weights as keras.applications would have them."""
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef.FromString(FROZEN.read_bytes())
    stored = {
        n.name: tf.make_ndarray(n.attr["value"].tensor) for n in graph.node if n.op == "Const"
    }
    model = tf.keras.applications.MobileNet(
        alpha=0.25, include_top=False, weights=None, input_shape=(224, 224, 3), pooling="avg"
    )
    for layer in model.layers:
        number = layer.name.removesuffix("_bn").rpartition("_")[2]
        kind = {"conv_dw": "_depthwise", "conv_pw": "_pointwise"}.get(layer.name[:7], "")
        place = f"MobilenetV1/Conv2d_{number if kind else 0}{kind}"
        if layer.name.endswith("_bn"):
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            layer.set_weights([stored[f"{place}/BatchNorm/{name}"] for name in names])
        elif layer.weights:
            kernel = "depthwise_weights" if kind == "_depthwise" else "weights"
            layer.set_weights([stored[f"{place}/{kernel}"]])
    path = folder / "real.weights.h5"
    model.save_weights(path)
    return path


@needs_shared
def test_a_network_of_keras_applications_sees_with_its_real_weights(tmp_path: Path) -> None:
    """The features through --base MobileNet, the frozen graph's last layer behind: a cat."""
    import tensorflow as tf

    from scai.models.labels import read
    from tools.retrain import bases

    base = bases.find("MobileNet", "", real_weights(tmp_path), 0, 0.0, 1.0)
    assert (base.side, base.mean, base.std, base.last) == (224, 127.5, 127.5, 256)
    image = class_folders.decode(CAT.read_bytes(), (224, 224), "bilinear").astype(np.float32)
    features = base.function(tf.constant((image[None] - base.mean) / base.std)).numpy()
    same = bases.find(
        str(FROZEN), "MobilenetV1/Logits/AvgPool_1a/AvgPool", None, 0, base.mean, base.std
    )
    theirs = same.function(tf.constant((image[None] - base.mean) / base.std)).numpy()
    assert np.allclose(features[:, :256], theirs, atol=1e-3)
    last, tensors = "MobilenetV1/Logits/Conv2d_1c_1x1", constants()
    best = int(
        (features[:, :256] @ tensors[f"{last}/weights"][0, 0] + tensors[f"{last}/biases"]).argmax()
    )
    assert "cat" in read(NAMES)[best], read(NAMES)[best]


def test_features_are_seen_once_and_kept(tmp_path: Path) -> None:
    from tools.retrain import bases

    _, folder = saved_model(tmp_path)
    base = bases.find(str(folder), "", None, 0, 127.5, 127.5)
    pictures = class_folders.find(shapes(tmp_path / "data", count=3))

    def features(base: bases.Base) -> list[np.ndarray]:
        views = ["plain", "mirrored"]
        return bottlenecks.features(pictures, pictures.items, base, views, tmp_path / "cache")[0]

    def blind(x: object) -> None:
        raise AssertionError("looked again")

    blind_base = replace(base, function=blind)
    first = features(base)
    again = features(blind_base)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    # A cut-off file of the cache, as a full disk leaves one, counts as not there.
    next((tmp_path / "cache").rglob("*.npy")).write_bytes(b"\x93NUMPY")
    with pytest.raises(AssertionError, match="looked again"):
        features(blind_base)
