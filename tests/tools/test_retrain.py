"""`scai retrain`: pictures in, splits, sentences for bad input, and models a server can run."""

import errno
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.helpers import picture
from support.retrain_data import fill, run_command, shapes

from scai.models import cards
from tools.common import cards as model_cards
from tools.common import folders, install
from tools.common.errors import UserError
from tools.datasets import class_folders
from tools.retrain import command, head


def test_a_name_stays_in_its_split_and_near_copies_stay_together() -> None:
    splits = [class_folders.split_of(f"cat/{i}.jpg", 10, 20) for i in range(2000)]
    assert splits == [class_folders.split_of(f"cat/{i}.jpg", 10, 20) for i in range(2000)]
    assert 0.07 < splits.count("validation") / 2000 < 0.13
    assert 0.17 < splits.count("test") / 2000 < 0.23
    assert len({class_folders.split_of(f"a_nohash_{i}.jpg", 30, 30) for i in range(50)}) == 1


def test_a_zip_is_read_like_the_folder_that_it_holds(tmp_path: Path) -> None:
    folder = fill(tmp_path / "pets")
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for file in folder.rglob("*.jpg"):
            archive.write(file, file.relative_to(tmp_path))
    found = [class_folders.find(folder), class_folders.find(tmp_path / "pets.zip")]
    assert found[0].classes == found[1].classes == ("cat", "dog")
    assert [i.split for i in found[0].items] == [i.split for i in found[1].items]


def test_folders_named_train_and_test_are_the_splits(tmp_path: Path) -> None:
    fill(tmp_path / "train", count=20)
    fill(tmp_path / "test", count=5)
    found = class_folders.find(tmp_path, 0, 50)
    assert (len(found.of("train")), len(found.of("test"))) == (40, 10)


def test_broken_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    (fill(tmp_path) / "cat" / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    found = class_folders.find(tmp_path)
    images, labels = class_folders.load(found, found.items, 8)
    assert images.shape == (8, 8, 8, 3) and len(labels) == 8
    assert list(found.broken) == ["cat/bad.jpg"]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda p: p / "nowhere", "no such folder or zip"),
        (lambda p: fill(p, ("cat",)), "two or more class folders"),
        (lambda p: (fill(p), (p / "owl").mkdir())[0], "'owl' has no pictures"),
    ],
)
def test_bad_input_gives_one_sentence_and_no_output(tmp_path, make, sentence) -> None:
    data, out = make(tmp_path / "data"), tmp_path / "out"
    code, text = run_command("--image_dir", data, "--from-scratch", "--out", out)
    assert code == 2 and sentence in text and len(text.strip().splitlines()) == 1
    assert not out.exists()


def test_a_folder_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    code, text = run_command("--image_dir", fill(tmp_path), "--from-scratch", "--out", tmp_path)
    assert code == 2 and "--force" in text


def test_a_damaged_or_locked_file_of_a_zip_is_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cat/a.jpg", "cat/b.jpg", "dog/a.jpg", "dog/b.jpg"):
            archive.writestr(name, picture((8, 8)))
        places = {i.filename: i.header_offset for i in archive.infolist()}
    data = bytearray(path.read_bytes())
    data[places["cat/b.jpg"] + 60] ^= 255
    listed = data.index(b"PK\1\2", data.index(b"PK\1\2") + 1)
    listed = data.index(b"PK\1\2", data.index(b"PK\1\2", listed + 1) + 1)
    data[listed + 8] |= 1  # dog/b.jpg wants a password
    data[places["dog/b.jpg"] + 6] |= 1
    path.write_bytes(data)
    found = class_folders.find(path)
    _, labels = class_folders.load(found, found.items, 8)
    assert list(labels) == [0, 1] and sorted(found.broken) == ["cat/b.jpg", "dog/b.jpg"]


def test_a_class_without_a_picture_to_learn_from_is_named(tmp_path: Path) -> None:
    found = class_folders.find(fill(tmp_path, ("cat", "dog"), count=4), 50, 40)
    with pytest.raises(UserError, match="'dog'.*validation and testing"):
        found.check_learnable(np.array([0, 0]))


def test_installing_keeps_comments_and_refuses_a_taken_name(tmp_path: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text("# ours\n[a]\nGRAPH = x\n\n# about b\n[b]\nGRAPH = y\n")
    text = install.with_section(config.read_text(), "a", "[a]\nGRAPH = z\n")
    assert text == "# ours\n[a]\nGRAPH = z\n\n# about b\n[b]\nGRAPH = y\n"
    assert install.with_section(text, "c", "[c]\n") == text + "\n[c]\n"
    with pytest.raises(UserError, match="already"):
        install.check_section(config, "a", force=False)


def test_the_head_learns_what_the_features_tell() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    features = rng.normal(size=(300, 6)).astype(np.float32) + 4 * np.eye(3, 6)[labels]
    check = features[:50].astype(np.float32), labels[:50]
    settings = head.HeadSettings(steps=100)
    trained, _ = head.train([features], labels, check, np.ones(3, np.float32), settings, say=print)
    assert (trained.probabilities(features).argmax(axis=1) == labels).mean() > 0.95


@pytest.mark.slow
def test_a_network_from_scratch_is_served_the_same_from_each_file(tmp_path: Path) -> None:
    from scai.pictures import pixels
    from workers.image_classification import build

    data, out = shapes(tmp_path / "data"), tmp_path / "shapes"
    code, text = run_command(
        *("--image_dir", data, "--from-scratch", "--out", out, "--epochs", 8, "--batch_size", 32),
        *("--checkpoint", tmp_path / "check.npz"),
    )
    assert code == 0, text
    assert float(text.split("accuracy (test) ")[1].split()[0]) > 0.9
    image = pixels.decode((data / "circle" / "0.png").read_bytes())
    answers = []
    for file in ("shapes.tflite", "shapes.pb", "shapes.keras", "saved_model"):
        config = tmp_path / "one.config"
        lines = text[text.index("[shapes]") :].replace("shapes.tflite", file)
        config.write_text(lines)
        recognizer = build(cards.load_card(config, "shapes", cards.CLASSIFICATION))
        result = recognizer.recognize([image])[0]
        answers.append((result.labels[0], float(result.scores[0])))
        recognizer.close()
    assert {label for label, _ in answers} == {"circle"}
    assert np.ptp([score for _, score in answers]) < 0.02, answers


@pytest.mark.slow
def test_two_networks_answer_together(tmp_path: Path) -> None:
    # Given a small network of an earlier training
    import tensorflow as tf

    from tools.network_files import runners

    data, first = shapes(tmp_path / "data"), tmp_path / "first"
    pixels = tf.keras.Input((32, 32, 3))
    seen = tf.keras.layers.GlobalMaxPooling2D()(tf.keras.layers.Conv2D(2, 3)(pixels))
    earlier = tf.keras.Model(pixels, tf.keras.layers.Softmax()(seen))
    first.mkdir()
    earlier.save(first / "first.keras")
    (first / "labels.txt").write_text("circle\nsquare\n")
    # When another one is learned that is to answer with it
    options = ("--image_dir", data, "--from-scratch", "--epochs", 1, "--batch_size", 32)
    code, text = run_command(
        *options,
        *("--checkpoint", tmp_path / "check.npz", "--ensemble", first / "first.keras"),
        *("--out", tmp_path / "both"),
    )
    assert code == 0, text
    # Then the .tflite is as good as the whole, and differs from the network alone
    whole = tf.keras.models.load_model(tmp_path / "both" / "both.keras", compile=False)
    some = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    members = [whole.get_layer(f"member_{n}") for n in range(2)]
    logits = np.mean([np.log(member(some)) for member in members], axis=0)
    answer = np.asarray(whole(some))
    assert (answer.argmax(1) == logits.argmax(1)).all()
    np.testing.assert_allclose(members[1](some), earlier(some), atol=1e-6)
    [got] = runners.litert(tmp_path / "both" / "both.tflite")(some)
    np.testing.assert_allclose(got, answer, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "side", "sentence"),
    [
        (None, 32, "labels.txt beside it"),
        ("square\ncircle\n", 32, "its classes are others"),
        ("circle\nsquare\n", 40, "expected pictures of 32 pixels"),
        ("circle\nsquare\n", None, "Keras cannot read it"),
    ],
)
def test_a_network_that_cannot_answer_along_is_told_before_anything_is_learned(
    tmp_path: Path, labels: str | None, side: int | None, sentence: str
) -> None:
    import tensorflow as tf

    file = tmp_path / "first.keras"
    if labels is not None:
        (tmp_path / "labels.txt").write_text(labels)
    if side is None:
        file.write_bytes(b"no network")
    else:
        pixels = tf.keras.Input((side, side, 3))
        tf.keras.Model(pixels, tf.keras.layers.GlobalMaxPooling2D()(pixels)).save(file)
    data, checkpoint = shapes(tmp_path / "data", 20), tmp_path / "check.npz"
    code, text = run_command(
        *("--image_dir", data, "--from-scratch", "--out", tmp_path / "both"),
        *("--checkpoint", checkpoint, "--ensemble", file),
    )
    assert code != 0 and sentence in text and "Traceback" not in text
    assert not checkpoint.exists() and not (tmp_path / "both").exists()


def test_a_folder_appears_whole_or_the_old_one_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with folders.whole_folder(out) as part:
        (part / "a").write_text("one")
    with pytest.raises(OSError), folders.whole_folder(out) as part:
        (part / "a").write_text("two")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (out / "a").read_text() == "one" and [p.name for p in tmp_path.iterdir()] == ["out"]
    with folders.whole_folder(out) as part:
        (part / "b").write_text("three")
    assert [p.name for p in tmp_path.rglob("*")] == ["out", "b"]


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.npy"), 2, "x.npy: No space left"),
        (KeyboardInterrupt(), 1, "stopped; nothing was written"),
    ],
)
def test_what_ends_a_training_is_one_sentence(error, code, sentence, tmp_path, monkeypatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(class_folders, "find", fail)
    flags = ("--image_dir", tmp_path, "--from-scratch", "--out", tmp_path / "out")
    assert run_command(*flags) == (code, f"Error: {run_command(*flags)[1][7:]}")
    assert sentence in run_command(*flags)[1] and run_command(*flags)[1].count("\n") == 1


def test_the_card_states_the_options_and_names_no_folder_of_this_machine() -> None:
    words = ["--image_dir", "/home/me/pets", "--base", "/tmp/x y.pb", "--base_layer", "a"]
    words += ["--base_weights", "b/c.h5", "--no-augment", "--no-class_weights", "--mirror"]
    words += ["--ensemble", "/d/e.keras", "--ensemble", "f.keras", "--seed", "7", "--force"]
    values = command.main.make_context("retrain", words).params
    assert model_cards.flags(command.main.params, values, {"image_dir", "force"}) == (
        "--base 'x y.pb' --base_layer a --base_weights b/c.h5 --no-augment --no-class_weights "
        "--mirror --ensemble e.keras --ensemble f.keras --seed 7"
    )
