"""What a new user is told when the machine lacks something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scai.settings import ROOT


def fake_python(folder: Path, version: str, *, venv: bool = True) -> None:
    """A program that answers as a Python of that version would to what the script asks."""
    fits = version.split(".")[:2] in (["3", "11"], ["3", "12"], ["3", "13"])
    script = folder / "python3"
    script.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f"*--version*) echo Python {version} ;;\n"
        f"*version_info*) exit {0 if fits else 1} ;;\n"
        f"*ensurepip*) exit {0 if venv else 1} ;;\n"
        "esac\n"
    )
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "venv", "sentence"),
    [
        ("3.9.2", True, "SCAI needs Python 3.11, 3.12 or 3.13; found: Python 3.9.2."),
        ("3.14.0", True, "SCAI needs Python 3.11, 3.12 or 3.13; found: Python 3.14.0."),
        ("3.12.1", False, "python3 has no venv module; on Debian install it with: apt install"),
    ],
)
def test_a_machine_that_lacks_something_is_told_in_one_sentence(
    tmp_path: Path, version: str, venv: bool, sentence: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(ROOT / "requirements", project / "requirements")
    shutil.copy(ROOT / "Makefile", project)
    shutil.copy(ROOT / "pyproject.toml", project)
    tools = tmp_path / "bin"
    tools.mkdir()
    fake_python(tools, version, venv=venv)
    for name in ("sh", "make", "cat", "cksum", "rm"):
        (tools / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        ["make", "run"],
        cwd=project,
        env={"PATH": str(tools), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1 and lines[0].startswith(sentence)
    assert not (project / ".venv").exists()
