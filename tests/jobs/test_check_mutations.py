"""Whatever becomes of the files of an installation, a repair puts it right."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.damage import Damaged, look, places

from scai.storage import damaged
from scai.storage.session import FINAL, NAME, Session

pytestmark = pytest.mark.slow

# How many files of an installation are changed, one after the other, in each way.
_FILES = 12


def _mutations() -> dict[str, Callable[[Path, random.Random], object]]:
    """What may become of a file or its name."""

    def flip(path: Path, draw: random.Random) -> None:
        data = bytearray(path.read_bytes() or b"\0")
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)

    def exchange(make: Callable[[Path], object]) -> Callable[[Path, random.Random], object]:
        return lambda path, draw: (path.unlink(), make(path))

    return {
        "flip": flip,
        "cut": lambda path, draw: path.write_bytes(path.read_bytes()[: draw.randrange(30)]),
        "remove": lambda path, draw: path.unlink(),
        "rename": lambda path, draw: path.rename(path.with_name(f"x{path.name}")),
        "copy": lambda path, draw: shutil.copy(path, path.with_name(f"{path.name}x")),
        "folder": exchange(Path.mkdir),
        "pipe": exchange(os.mkfifo),
        "link": exchange(lambda path: path.symlink_to("/etc/passwd")),
    }


@pytest.mark.parametrize("what", _mutations())
def test_whatever_happens_to_any_file_a_repair_comes_to_rest_and_no_session_is_forgotten(
    tmp_path: Path, what: str
) -> None:
    draw = random.Random(what)
    for number in range(_FILES):
        broken = Damaged(tmp_path / str(number))
        files = sorted(file for file in (tmp_path / str(number)).rglob("*") if file.is_file())
        files = [f for f in files if f.suffix not in (".config", ".txt")]
        _mutations()[what](files[len(files) * number // _FILES], draw)
        before = {name for name in os.listdir(broken.place.root) if NAME.fullmatch(name)}
        for _ in range(2):
            look(broken.place, broken.now, act=True)
        assert [f for f in look(broken.place, broken.now) if f.repair is not None] == []
        kept = os.listdir(broken.place.root / damaged.FOLDER)
        for name in before:
            if not (broken.place.root / name).exists():
                assert any(file.startswith(f"{name}.") for file in kept)
                continue
            session = Session(broken.place.root, name)
            count = len(places(broken.pool, name)) + len(places(broken.other_pool, name))
            assert count == 1 or (count == 0 and session.state in FINAL)
        with broken.place.queue() as queue:
            broken.place.work(queue)
            assert len(queue) == 0
        shutil.rmtree(tmp_path / str(number))
