"""How commands around models refuse: one class of error, one sentence, exit code 2."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from scai.errors import ConfigError
from scai.settings import ROOT
from tools.common.errors import UserError, one_sentence


def test_all_commands_refuse_with_the_same_class() -> None:
    classes = [
        name
        for folder in ("tools", "examples")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in re.findall(
            r"^class (\w+)\(.*(?:ClickException|UserError)", path.read_text(), re.M
        )
    ]
    assert classes == ["UserError"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (UserError("pets: no such file."), "Error: pets: no such file.\n"),
        (ConfigError("pets: wrong"), "Error: pets: wrong\n"),
        (FileNotFoundError(2, "No such file", "pets"), "Error: pets: No such file\n"),
    ],
)
def test_what_users_can_fix_is_one_sentence(error: Exception, sentence: str) -> None:
    @click.command()
    @one_sentence()
    def command() -> None:
        raise error

    result = CliRunner().invoke(command)
    assert (result.exit_code, result.output) == (2, sentence)


def test_a_bug_keeps_its_traceback() -> None:
    @click.command()
    @one_sentence()
    def command() -> None:
        raise ValueError("a bug")

    assert isinstance(CliRunner().invoke(command).exception, ValueError)
