"""A command that lives outside this package and is imported only when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True)
class Tool:
    """A command of tools/ or benchmarks/: its module and its line in the list of commands.

    These modules may load model libraries, so listing the commands must not import them.
    """

    module: str
    help: str

    def get_short_help_str(self, limit: int = 80) -> str:
        """Return the line for the list of commands, never shortened."""
        return self.help

    def load(self) -> click.Command:
        """Import the module; its `main` is the command."""
        command = import_module(self.module).main
        assert isinstance(command, click.Command)
        return command
