"""The tutorials' programs: pictures that are whole or not there, models that a server can use."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.live import Live, digit

from scai import plugins
from scai.cli.__main__ import main as scai
from scai.models import cards
from scai.models.cards import CLASSIFICATION
from scai.settings import ROOT
from tools.common.errors import UserError
from tools.models import command as models

Example = Callable[[str], ModuleType]


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Example:
    """A program of examples/, which are in no package that is installed.

    Each call imports it anew, because programs read their environment when they begin.
    """
    monkeypatch.syspath_prepend(str(ROOT))

    def start(name: str) -> ModuleType:
        monkeypatch.delitem(sys.modules, f"examples.{name}", raising=False)
        return import_module(f"examples.{name}")

    return start


def run(program: ModuleType, *words: object) -> Result:
    return CliRunner().invoke(program.main, [str(word) for word in words])


def refusal_of(result: Result, folder: Path, *left: str) -> str:
    """The one sentence; besides it, `folder` holds the files `left` and nothing more."""
    assert result.exit_code == 2, result.output
    sentences = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(sentences) == 1 and "Traceback" not in result.output
    assert sorted(path.name for path in folder.iterdir()) == sorted(left)
    return sentences[0]


CIFAR = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def cifar_pictures() -> dict[str, np.ndarray]:
    """Two pictures a file, (2, 32, 32, 3), of chance."""
    chance = np.random.default_rng(0)
    return {name: chance.integers(0, 256, (2, 32, 32, 3), np.uint8) for name in CIFAR}


def cifar_files() -> dict[str, bytes]:
    """The first picture of each file is a frog (6), the second a truck (9)."""
    return {
        name: b"".join(
            bytes([label]) + picture.transpose(2, 0, 1).tobytes()
            for label, picture in zip((6, 9), pictures, strict=True)
        )
        for name, pictures in cifar_pictures().items()
    }


def cifar_archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_cifar10_becomes_class_folders(tmp_path: Path, example: Example) -> None:
    archive = cifar_archive(tmp_path / "cifar-10-binary.tar.gz", cifar_files())
    out = tmp_path / "new" / "cifar10"
    done = run(example("cifar10.prepare"), archive, "--out", out)
    assert done.exit_code == 0, done.output
    assert len(list(out.glob("train/*/*.png"))) == 10
    assert len(list(out.glob("test/*"))) == 10  # classes without a picture have a folder, too
    assert [p.name for p in out.parent.iterdir()] == ["cifar10"]
    originals = cifar_pictures()
    for name, number, path in [
        ("data_batch_1.bin", 0, "train/frog/00000.png"),
        ("data_batch_5.bin", 1, "train/truck/00009.png"),
        ("test_batch.bin", 1, "test/truck/00001.png"),
    ]:
        with Image.open(out / path) as image:
            assert np.array_equal(np.asarray(image), originals[name][number])


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def spoiled_cifar(path: Path, how: str) -> None:
    files = cifar_files()
    if how == "half a picture":
        files[CIFAR[2]] = files[CIFAR[2]][:-100]
    elif how == "foreign label":
        files[CIFAR[0]] = b"\x0a" + files[CIFAR[0]][1:]
    elif how == "python version":
        files = {"data_batch_1": b"pickled"}
    cifar_archive(path, files)
    if how == "truncated":
        path.write_bytes(cut(path.read_bytes()))
    elif how == "no archive":
        path.write_bytes(b"<html>404</html>")


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("truncated", "cut off"),
        ("no archive", "not a whole .tar.gz"),
        ("half a picture", "data_batch_3.bin"),
        ("foreign label", "labels"),
        ("python version", "binary version"),
    ],
)
def test_a_wrong_cifar10_archive_leaves_nothing(
    tmp_path: Path, example: Example, how: str, word: str
) -> None:
    spoiled_cifar(tmp_path / "a.tar.gz", how)
    result = run(example("cifar10.prepare"), tmp_path / "a.tar.gz", "--out", tmp_path / "cifar10")
    assert word in refusal_of(result, tmp_path, "a.tar.gz")


def test_a_missing_archive_and_a_taken_folder_are_refused(tmp_path: Path, example: Example) -> None:
    prepare = example("cifar10.prepare")
    result = run(prepare, tmp_path / "none.tar.gz", "--out", tmp_path / "cifar10")
    assert "no such file" in refusal_of(result, tmp_path)
    (tmp_path / "cifar10").mkdir()
    result = run(prepare, tmp_path / "none.tar.gz", "--out", tmp_path / "cifar10")
    assert "there already" in refusal_of(result, tmp_path, "cifar10")


def idx(values: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    return gzip.compress(head + values.astype(np.uint8).tobytes())


def mnist_files() -> dict[str, bytes]:
    """Three digits to learn from, 3, 1 and 3, and one, 7, to judge by."""
    chance = np.random.default_rng(0)
    train, test = (chance.integers(0, 256, (count, 28, 28), np.uint8) for count in (3, 1))
    return {
        "train-images-idx3-ubyte.gz": idx(train),
        "train-labels-idx1-ubyte.gz": idx(np.array([3, 1, 3])),
        "t10k-images-idx3-ubyte.gz": idx(test),
        "t10k-labels-idx1-ubyte.gz": idx(np.array([7])),
    }


def prepare_mnist(example: Example, folder: Path, files: dict[str, bytes]) -> Result:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    paths = [folder / name for name in files]
    return run(example("mnist.prepare"), *paths, "--out", folder / "mnist")


def test_mnist_becomes_class_folders(tmp_path: Path, example: Example) -> None:
    done = prepare_mnist(example, tmp_path, mnist_files())
    assert done.exit_code == 0, done.output
    out = tmp_path / "mnist"
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == [
        "test/7/00000.png",
        "train/1/00001.png",
        "train/3/00000.png",
        "train/3/00002.png",
    ]
    originals = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    with Image.open(out / "train/1/00001.png") as image:
        assert np.array_equal(np.asarray(image), originals[1])


IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        (IMAGES, cut(mnist_files()[IMAGES]), "cut off"),
        (IMAGES, b"<html>404</html>", "not a whole .gz"),
        (IMAGES, mnist_files()[LABELS], "3 dimensions"),
        (LABELS, gzip.compress(b"\0\0\x08\x01\0\0\0\x05\x01"), "promises [5]"),
        (LABELS, gzip.compress(b"\0\0\x08\x01\0"), "not an IDX file"),
        (LABELS, idx(np.array([1, 2])), "1 pictures, but 2 labels"),
        (LABELS, idx(np.array([11])), "labels from 0 to 9"),
    ],
    ids=["truncated", "no-gz", "swapped", "too-short", "half-a-head", "uneven", "foreign-label"],
)
def test_a_wrong_mnist_file_leaves_nothing(
    tmp_path: Path, example: Example, name: str, data: bytes, word: str
) -> None:
    files = {**mnist_files(), name: data}
    assert word in refusal_of(prepare_mnist(example, tmp_path, files), tmp_path, *files)


def test_each_mnist_file_must_be_there_once(tmp_path: Path, example: Example) -> None:
    files = mnist_files()
    del files[LABELS]
    sentence = refusal_of(prepare_mnist(example, tmp_path, files), tmp_path, *files)
    assert "t10k-labels" in sentence


def test_training_wants_class_folders(tmp_path: Path, example: Example) -> None:
    folders = example("class_folders")
    with pytest.raises(UserError, match="no such folder"):
        folders.read(tmp_path / "none", "RGB")
    (tmp_path / "frog").mkdir()
    with pytest.raises(UserError, match="expected class folders"):
        folders.read(tmp_path, "RGB")


def bright_and_dark(root: Path, side: int, mode: str) -> None:
    """Two classes that anything can tell apart."""
    chance = np.random.default_rng(0)
    for part, count in (("train", 40), ("test", 4)):
        for name, level in (("bright", 200), ("dark", 40)):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                noise = chance.integers(-30, 30, (side, side, 3))
                image = Image.fromarray((level + noise).astype(np.uint8)).convert(mode)
                image.save(root / part / name / f"{number}.png")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side", "mode"), [("cifar10", 32, "RGB"), ("mnist", 28, "L")])
def test_what_train_writes_can_be_installed_and_served(
    tmp_path: Path, example: Example, monkeypatch: pytest.MonkeyPatch, name: str, side, mode
) -> None:
    bright_and_dark(tmp_path / "data", side, mode)
    out = tmp_path / "mine"
    words = ("--data", tmp_path / "data", "--epochs", 1, "--out", out)
    done = run(example(f"{name}.train"), *words)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "of 8 test pictures are right" in done.output
    assert (out / "labels.txt").read_text() == "bright\ndark\n"

    config = tmp_path / "usr" / "image_classification.config"
    config.parent.mkdir()
    config.write_text("")
    monkeypatch.setenv("SCAI_ICCONFIG", str(config))
    files = ("--graph", out / "model.keras", "--labels", out / "labels.txt")
    keys = [w for k in ("INPUT_STD=1", "RESIZE=area", "ACTIVATION=none") for w in ("--set", k)]
    command = ("install", "mine", "--kind", "classification", *files, *keys)
    installed = CliRunner().invoke(models.main, [str(word) for word in command])
    assert installed.exit_code == 0, installed.output
    model = plugins.load("workers", CLASSIFICATION).build(
        cards.load_card(config, "mine", CLASSIFICATION)
    )
    try:
        (result,) = model.recognize([np.full((90, 120, 3), 200, np.uint8)])
        assert set(result.labels) == {"bright", "dark"}
        assert sum(result.scores) == pytest.approx(1, abs=1e-3)
    finally:
        model.close()


@pytest.mark.slow
def test_ask_prints_what_the_server_sees(
    live: Live, tmp_path: Path, example: Example, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCAI_SERVER", live.url)
    ask = example("ask")
    (tmp_path / "three.png").write_bytes(digit("3"))
    ask.main(tmp_path / "three.png", "digits")
    assert capsys.readouterr().out.splitlines()[0].endswith("%  3")
    with pytest.raises(SystemExit, match="nosuch"):
        ask.main(tmp_path / "three.png", "nosuch")
    (tmp_path / "text.txt").write_text("no picture")
    with pytest.raises(SystemExit, match="expected"):
        ask.main(tmp_path / "text.txt", "digits")


class Busy(BaseHTTPRequestHandler):
    """Has no room at first, and no verdict at first."""

    answers: list[tuple[int, dict[str, object]]]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        status, answer = self.answers.pop(0)
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


@pytest.fixture
def busy() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_ask_comes_back_when_told_to(
    busy: HTTPServer, tmp_path: Path, example: Example, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("SCAI_SERVER", f"http://127.0.0.1:{busy.server_port}")
    ask = example("ask")
    full = (503, {"error": "come back later"})
    acceptance = (200, {"sessname": "d-1", "sesskey": "2"})
    seen = {"state": "complete", "predictions": [{"label": "frog", "score": 0.75}]}
    photo = tmp_path / "frog.png"
    photo.write_bytes(b"frog")
    Busy.answers = [full, acceptance, (200, {"state": "processing"}), full, (200, seen)]
    ask.main(photo, "objects")
    assert capsys.readouterr().out == " 75.0%  frog\n"
    Busy.answers = [acceptance, (200, {"state": "failure", "message": "a pity"})]
    with pytest.raises(SystemExit, match="a pity"):
        ask.main(photo, "objects")
    Busy.answers = [full] * ask.TRIES
    with pytest.raises(SystemExit, match="come back later"):
        ask.main(photo, "objects")


def test_ask_gives_up_where_no_server_is(tmp_path: Path, example: Example, monkeypatch) -> None:
    monkeypatch.setenv("SCAI_SERVER", "http://127.0.0.1:9")
    ask = example("ask")
    monkeypatch.setattr(ask, "TRIES", 2)
    (tmp_path / "frog.png").write_bytes(b"frog")
    with pytest.raises(SystemExit, match="does a server run there"):
        ask.main(tmp_path / "frog.png", "objects")


TUTORIALS = sorted((ROOT / "examples").rglob("README.md"))


def typed(tutorial: Path) -> Iterator[list[str]]:
    """The commands of a tutorial that are ours, in words."""
    for block in re.findall(r"^```\n(.*?)^```", tutorial.read_text(), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.removeprefix("$ ").split("#")[0].split()
            if words[:1] == ["scai"] or words[:2] == ["python", "-m"]:
                yield words


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.parent.name)
def test_the_tutorials_name_commands_and_flags_that_exist(tutorial: Path, example: Example) -> None:
    commands = list(typed(tutorial))
    assert (
        commands or tutorial.parent.name == "examples"
    )  # its curl and ask.py are no flags of ours
    for words in commands:
        if words[0] == "python":
            program = words[2].removeprefix("examples.")
            # To import one that trains is to load TensorFlow: its text will do.
            code = (ROOT / "examples" / program.replace(".", "/")).with_suffix(".py").read_text()
            assert all(f'"{word}"' in code for word in words if word.startswith("--")), words
            continue
        command: click.Command = scai
        words = words[1:]
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, words
            command, words = found, words[1:]
        flags = {flag for option in command.params for flag in option.opts + option.secondary_opts}
        assert {word for word in words if word.startswith("--")} <= flags, words


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.parent.name)
def test_the_links_of_the_tutorials_lead_somewhere(tutorial: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", tutorial.read_text()):
        assert (tutorial.parent / target).exists(), target
