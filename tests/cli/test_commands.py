"""The `scai` command finds its commands by their files, and imports tools only to run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scai.cli.__main__ import Commands
from scai.cli.__main__ import main as scai
from scai.settings import ROOT


def test_a_file_with_a_section_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "toy_commands"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "say_hello.py").write_text(
        'import click\nSECTION = "Toys"\n'
        '@click.command()\ndef main():\n    """Greet."""\n    click.echo("hello")\n'
    )
    # What commands share is no command.
    (package / "text.py").touch()
    (package / "_errors.py").write_text('SECTION = "Toys"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    toys = Commands()
    toys.package = "toy_commands"
    assert toys.list_commands(click.Context(toys)) == ["say-hello"]
    listing = CliRunner().invoke(toys, ["--help"]).output
    assert "Toys:" in listing and "say-hello  Greet." in listing
    assert CliRunner().invoke(toys, ["say-hello"]).output == "hello\n"
    for name in ("say_hello", "text", "_errors", "nothing", "-", "a.b"):
        assert CliRunner().invoke(toys, [name]).exit_code == 2, name


def test_the_help_has_a_section_for_the_server_and_one_for_models() -> None:
    listing = CliRunner().invoke(scai, ["--help"]).output
    server, models = listing.index("The server:"), listing.index("Models:")
    for name in ("up", "submit", "status"):
        assert server < listing.index(f"\n  {name} ") < models
    for name in ("retrain", "train-detector", "label-image", "list-ops", "bench"):
        assert models < listing.index(f"\n  {name} ")
    for name in ("portal", "clean", "text"):
        assert f"\n  {name} " not in listing


@pytest.mark.parametrize("program", [["-m", "scai.cli"], ["index.py"], ["clean.py"]])
def test_help_imports_neither_tools_nor_model_libraries(program: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", *program, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--help" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    heavy = {"numpy", "cv2", "openvino", "ai_edge_litert", "tensorflow", "matplotlib"}
    assert not imported & {*heavy, "tools", "benchmarks", "scai.programs"}
