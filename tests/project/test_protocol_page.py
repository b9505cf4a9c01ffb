"""docs/protocol.md is the contract for clients without HTTP: its example and tables hold."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.live import IC, Live, digit

from scai.errors import BadImage
from scai.settings import ROOT
from scai.storage.session import FINAL, STATES, Session, Upload

PAGE = (ROOT / "docs" / "protocol.md").read_text()


def keys_under(heading: str) -> set[str]:
    """The names in the first column of the tables of one section."""
    section = re.split(r"^##+ ", PAGE.partition(f"### {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    rows = re.findall(r"^\| (`[^|]*`) \| (?:string|number|object|array)", section, re.M)
    return {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}


def test_every_key_of_a_record_is_explained(tmp_path: Path) -> None:
    upload = Upload(b"picture", ".jpg", "photo.jpg")
    choices = {"model": "digits", "threshold": 0.5, "top_k": 3}
    session = Session.create(tmp_path, IC.name, upload, params=choices)
    written = set(session.start(claim="token"))
    session.note_work("token", 1.5)
    assert keys_under("process.json") == written | set(session.record())


def test_every_state_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", PAGE, re.M)
    states = {name: after for name, after in rows if name in STATES}
    assert list(states) == list(STATES)
    assert [name for name, after in states.items() if after.startswith("none")] == list(FINAL)


def test_every_key_of_a_failure_is_explained(tmp_path: Path) -> None:
    session = Session.create(tmp_path, IC.name, Upload(b"picture", ".jpg"))
    session.fail(BadImage("damaged", stage="decode"))
    written = json.loads((session.path / "result.json").read_bytes())
    assert set(written) <= keys_under("result.json") | keys_under("Length and checksum")


@pytest.mark.slow
class TestExample:
    @pytest.fixture
    def folder(self, tmp_path: Path, live: Live) -> Iterator[Path]:
        """A folder with the session and queue folders of a running server."""
        (tmp_path / "session").symlink_to(live.sessions)
        (tmp_path / "pooling").mkdir()
        for kind, pool in live.pools.items():
            (tmp_path / "pooling" / kind).symlink_to(pool)
        yield tmp_path

    def test_a_shell_client_gets_the_result_of_a_real_worker(self, folder: Path) -> None:
        script = PAGE.partition("<!-- example: client.sh -->\n```sh\n")[2].partition("```")[0]
        assert "result.json" in script
        (folder / "photo.jpg").write_bytes(digit())
        done = subprocess.run(
            ["sh", "-c", script, "client.sh", "photo.jpg"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert result["state"] == "complete"
        assert set(result) <= keys_under("result.json") | keys_under("Length and checksum")
        assert {"label", "index", "score"} == set(result["predictions"][0])
