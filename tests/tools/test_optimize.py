"""`scai optimize`: fewer operations, the same answers, and sentences for what cannot be done."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support import tiny_models

from tools.shrink import optimize

pytestmark = pytest.mark.slow

BATCH_NORMS = {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "Rsqrt", "Mul", "Sub"}


def run_command(*arguments: object) -> Result:
    return CliRunner().invoke(optimize.main, [str(a) for a in arguments])


def ops(path: Path) -> dict[str, int]:
    from tools.shrink import trim

    tf = tiny_models.tensorflow()
    return dict(trim.counts(tf.compat.v1.GraphDef.FromString(path.read_bytes())))


def answers(path: Path, x: np.ndarray, output: str = "final_result") -> np.ndarray:
    from tools.network_files import runners

    return runners.frozen(path, "input", [output])(x)[0]


def pictures(side: int = 8, count: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (count, side, side, 3)).astype(np.float32)


def norm(tf: Any, x: Any, kind: str) -> Any:
    """A batch norm with numbers of its own, as one operation."""
    rng = np.random.default_rng(x.shape[-1])
    gamma, beta, mean = rng.normal(0.5, 1, (3, x.shape[-1])).astype(np.float32)
    variance = rng.uniform(0.1, 2, x.shape[-1]).astype(np.float32)
    made = getattr(tf.raw_ops, kind)(
        x=x, scale=gamma, offset=beta, mean=mean, variance=variance, is_training=False
    )
    return made.y


def convolutional(tf: Any) -> None:
    """Every kind of layer, each with a batch norm behind it, and the ends of a training."""
    rng = np.random.default_rng(0)
    x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
    y = tf.nn.conv2d(x, rng.normal(0, 1, (3, 3, 3, 6)).astype(np.float32), 1, "SAME")
    y = tf.nn.relu(norm(tf, tf.nn.bias_add(y, np.arange(6.0, dtype=np.float32)), "FusedBatchNorm"))
    deep = rng.normal(0, 1, (3, 3, 6, 2)).astype(np.float32)
    y = tf.nn.depthwise_conv2d(y, deep, [1, 1, 1, 1], "VALID")
    y = tf.nn.relu(norm(tf, y, "FusedBatchNormV3"))
    y = tf.debugging.check_numerics(tf.stop_gradient(y), "sound")
    y = tf.nn.conv2d(y, rng.normal(0, 1, (1, 1, 12, 4)).astype(np.float32), 1, "SAME")
    y = tf.nn.relu(norm(tf, y, "FusedBatchNormV2"))
    y = tf.reduce_mean(y, [1, 2])
    keep = tf.compat.v1.placeholder_with_default(tf.constant(1.0), [], "keep_prob")
    y = y / keep * tf.floor(keep + tf.random.uniform(tf.shape(y)))
    y = tf.matmul(y, rng.normal(0, 1, (4, 5)).astype(np.float32))
    y = (y * np.float32(0.5) - rng.normal(0, 1, 5).astype(np.float32)) / np.float32(2)
    tf.nn.softmax(y, name="final_result")
    tf.reduce_sum(x, name="loss_that_nobody_asks_for")


def test_batch_norms_and_training_go_and_the_answers_stay(tmp_path: Path) -> None:
    model = tiny_models.save_graph("convolutional.pb", convolutional)
    out = tmp_path / "small.pb"
    done = run_command(model, "--out", out, "--output_layer", "final_result", "--tflite")
    assert done.exit_code == 0, done.output
    assert not BATCH_NORMS & set(ops(out))
    assert not {"Identity", "CheckNumerics", "Floor", "RandomUniform", "RealDiv"} & set(ops(out))
    assert ops(out)["BiasAdd"] == 4
    x = pictures()
    assert np.allclose(answers(model, x), answers(out, x), rtol=1e-4, atol=1e-6)
    assert "largest difference" in done.output and (tmp_path / "small.tflite").is_file()


def test_the_batch_norm_of_2015_is_folded(tmp_path: Path) -> None:
    tf = tiny_models.tensorflow()

    def build(tf: Any) -> None:
        x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
        kernel = np.random.default_rng(0).normal(0, 1, (3, 3, 3, 4)).astype(np.float32)
        y = tf.nn.conv2d(x, kernel, 1, "SAME", name="layer")
        for name in ("mean", "variance", "beta", "gamma"):
            tf.constant(np.linspace(0.5, 2 + len(name), 4), tf.float32, name=name)
        tf.reduce_mean(y, [1, 2], name="final_result")

    path = tiny_models.save_graph("of-2015.pb", build)
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    definition.versions.producer = 8  # later graphs may not have it
    names = ["layer", "mean", "variance", "beta", "gamma"]
    node = definition.node.add(name="old", op="BatchNormWithGlobalNormalization", input=names)
    node.attr["T"].type = 1
    node.attr["variance_epsilon"].f = 0.001
    node.attr["scale_after_normalization"].b = True
    [last] = [n for n in definition.node if n.name == "final_result"]
    last.input[0] = "old"
    path.write_bytes(definition.SerializeToString())
    done = run_command(path, "--out", tmp_path / "small.pb")
    assert done.exit_code == 0, done.output
    assert "BatchNormWithGlobalNormalization" not in ops(tmp_path / "small.pb")
    x = pictures()
    assert np.allclose(answers(path, x), answers(tmp_path / "small.pb", x), rtol=1e-4, atol=1e-5)


def test_weights_that_two_layers_share_are_not_scaled_twice(tmp_path: Path) -> None:
    def build(tf: Any) -> None:
        x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
        kernel = tf.constant(np.random.default_rng(0).normal(0, 1, (3, 3, 3, 4)), tf.float32)
        first = tf.nn.conv2d(x, kernel, 1, "SAME")
        other = tf.nn.conv2d(-x, kernel, 1, "SAME")
        # `first` is taken twice, so its batch norm has to stay one.
        both = norm(tf, first, "FusedBatchNormV3") + first + norm(tf, other, "FusedBatchNormV3")
        tf.reduce_mean(both, [1, 2], name="final_result")

    model = tiny_models.save_graph("shared.pb", build)
    assert run_command(model, "--out", tmp_path / "small.pb").exit_code == 0
    assert ops(tmp_path / "small.pb")["FusedBatchNormV3"] == 1
    x = pictures()
    assert np.allclose(answers(model, x), answers(tmp_path / "small.pb", x), rtol=1e-4, atol=1e-6)


def test_a_dropout_that_is_on_is_taken_out_and_told_of(tmp_path: Path) -> None:
    def build(tf: Any) -> None:
        x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
        y = tf.reduce_mean(x, [1, 2])
        tf.identity(y / 0.5 * tf.floor(0.5 + tf.random.uniform([1, 3])), "final_result")

    model = tiny_models.save_graph("dropout.pb", build)
    done = run_command(model, "--out", tmp_path / "small.pb")
    assert done.exit_code == 0 and "has an active Dropout" in done.output
    x = pictures()
    assert np.allclose(answers(tmp_path / "small.pb", x), x.mean((1, 2)), atol=1e-6)


def keras(path: Path) -> Path:
    """A small network with batch norms that have seen something."""
    tf = tiny_models.tensorflow()
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(1)
    source = layers.Input((16, 16, 3), name="image")
    y = layers.Conv2D(16, 3, use_bias=False, padding="same")(source)
    y = layers.ReLU()(layers.BatchNormalization(name="one")(y))
    y = layers.BatchNormalization(name="two")(layers.DepthwiseConv2D(3, use_bias=False)(y))
    y = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(y))
    model = tf.keras.Model(source, layers.Dense(4, activation="softmax", name="scores")(y))
    rng = np.random.default_rng(3)
    for name in ("one", "two"):
        model.get_layer(name).set_weights([rng.uniform(0.2, 2, 16) for _ in range(4)])
    model.save(str(path))
    return path


def test_keras_and_saved_models_become_frozen_graphs_with_their_own_names(tmp_path: Path) -> None:
    model = keras(tmp_path / "model.keras")
    out = tmp_path / "small.pb"
    done = run_command(model, "--out", out)
    assert done.exit_code == 0, done.output
    assert not BATCH_NORMS & set(ops(out))
    tf = tiny_models.tensorflow()
    names = {n.name for n in tf.compat.v1.GraphDef.FromString(out.read_bytes()).node}
    assert {"image", "scores"} <= names
    done = run_command(tiny_models.saved_model(), "--out", tmp_path / "saved.pb")
    assert done.exit_code == 0, done.output


def test_half_the_bytes_with_float16(tmp_path: Path) -> None:
    def build(tf: Any) -> None:
        x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
        matrix = np.random.default_rng(0).normal(0, 0.1, (192, 50)).astype(np.float32)
        tf.nn.softmax(tf.reshape(x, [-1, 192]) @ matrix, name="final_result")

    model = tiny_models.save_graph("matrix.pb", build)
    half, again, whole = (tmp_path / f"{name}.pb" for name in ("half", "again", "whole"))
    assert run_command(model, "--out", half, "--cast", "float16").exit_code == 0
    # What is stored in half stays so unless told otherwise.
    assert run_command(half, "--out", again).exit_code == 0
    assert run_command(half, "--out", whole, "--cast", "float32").exit_code == 0
    sizes = [path.stat().st_size for path in (model, half, again, whole)]
    assert sizes[1] < 0.55 * sizes[0] and sizes[2] <= sizes[1] and sizes[3] > 0.95 * sizes[0]
    x = pictures()
    assert np.array_equal(answers(half, x), answers(again, x))
    assert np.allclose(answers(model, x), answers(whole, x), atol=1e-3)


def test_a_checkpoint_of_tensorflow_1_is_frozen(tmp_path: Path) -> None:
    tf = tiny_models.tensorflow()
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
        w = v1.get_variable("w", [3, 4], use_resource=False)
        tf.nn.softmax(tf.matmul(tf.reduce_mean(x, [1, 2]), w), name="final_result")
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    out = tmp_path / "small.pb"
    done = run_command(tmp_path / "model.ckpt.meta", "--out", out, "--output_layer", "final_result")
    assert done.exit_code == 0, done.output
    assert answers(out, pictures()).shape == (2, 4)
    done = run_command(tmp_path / "model.ckpt", "--out", tmp_path / "other.pb")
    assert done.exit_code == 2 and "name --output_layer" in done.output


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("mobilenet_v1_0.25_224_frozen.pb", "MobilenetV1/Predictions/Reshape_1"),
        ("retrained_graph.pb", "final_result"),
    ],
)
def test_real_graphs_lose_three_quarters_of_their_operations(
    tmp_path: Path, shared: Path, name: str, output: str
) -> None:
    model, out = shared / "models" / name, tmp_path / "small.pb"
    done = run_command(model, "--out", out)
    assert done.exit_code == 0, done.output
    assert sum(ops(out).values()) * 3 < sum(ops(model).values())
    assert not BATCH_NORMS & set(ops(out))
    x = pictures(224 if "224" in name else 128, 1)
    before, after = answers(model, x, output), answers(out, x, output)
    assert np.abs(before - after).max() < 1e-4 * before.max()


def random_answers(tf: Any) -> None:
    x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
    tf.add(tf.reduce_mean(x, [1, 2]), tf.random.normal([3]), name="final_result")


def two_inputs(tf: Any) -> None:
    x = tf.compat.v1.placeholder(tf.float32, [None, 8, 8, 3], "input")
    other = tf.compat.v1.placeholder(tf.float32, [3], "other")
    tf.add(tf.reduce_mean(x, [1, 2]), other, name="final_result")


@pytest.mark.parametrize(
    ("model", "flags", "sentence"),
    [
        (lambda p: p / "nowhere.pb", (), "no such file"),
        (lambda p: (p / "text.pb", (p / "text.pb").write_text("x" * 50))[0], (), "not a frozen"),
        (lambda p: (p / "m.keras", (p / "m.keras").write_text("x"))[0], (), "not a .keras model"),
        (lambda p: p, (), "saved_model.pb"),
        (lambda p: tiny_models.tflite(), (), "cannot be converted again"),
        (lambda p: tiny_models.frozen(), ("--output_layer", "final_resul"), "nearest: final_resul"),
        (lambda p: tiny_models.frozen(), ("--input_layer", "picture"), "a layer named 'picture'"),
        (lambda p: tiny_models.saved_model(), ("--output_layer", "x"), "a layer named 'x'"),
        (
            lambda p: tiny_models.save_graph("random.pb", random_answers),
            (),
            "differ from call to call",
        ),
        (lambda p: tiny_models.save_graph("two.pb", two_inputs), (), "this one takes other"),
    ],
)
def test_bad_input_gives_one_sentence_and_no_file(tmp_path, model, flags, sentence) -> None:
    out = tmp_path / "out" / "small.pb"
    done = run_command(model(tmp_path), "--out", out, *flags)
    assert done.exit_code == 2 and sentence in done.output, done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not out.parent.exists()


def test_files_that_are_there_stay_unless_forced(tmp_path: Path) -> None:
    model = tiny_models.frozen()
    out = tmp_path / "small.pb"
    out.write_bytes(b"mine")
    assert "--force replaces it" in run_command(model, "--out", out).output
    assert "another file than the model" in run_command(model, "--out", model, "--force").output
    assert "ends in .pb" in run_command(model, "--out", tmp_path / "small.tflite").output
    assert out.read_bytes() == b"mine"
    assert run_command(model, "--out", out, "--force").exit_code == 0 and ops(out)


def test_a_network_that_would_answer_differently_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.shrink import fold, sources

    other = sources.read(tiny_models.save_graph("other.pb", convolutional), "", "final_result")
    monkeypatch.setattr(fold, "fold", lambda model: other)
    done = run_command(tiny_models.frozen(), "--out", tmp_path / "small.pb")
    assert done.exit_code == 2 and "answer differently" in done.output
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(optimize, "publish", full)
    done = run_command(tiny_models.frozen(), "--out", tmp_path / "small.pb")
    assert done.exit_code == 2 and "No space left" in done.output
