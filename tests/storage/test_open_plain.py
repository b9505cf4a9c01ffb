"""Opening files that strangers may have put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.helpers import open_below

from scai.storage.open_plain import NOT_THERE, NotPlain, open_plain


def test_a_plain_file_is_read_and_knows_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{}")
    with open_plain(tmp_path / "a.json") as file:
        assert (file.read(), Path(file.name).name) == (b"{}", "a.json")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_without_waiting_and_leaves_nothing_open(
    tmp_path: Path, kind: str
) -> None:
    os.mkdir(tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotPlain, match="must be a plain file"):
        open_plain(tmp_path / kind)
    assert open_below(tmp_path) == []


@pytest.mark.parametrize("name", ["absent", "link", "file/below"])
def test_where_there_is_nothing_of_ours_the_error_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError) as refused:
        open_plain(tmp_path / name)
    assert refused.value.errno in NOT_THERE
