"""The `scai` command: each file of this folder that names its section is one of its commands."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from scai import __version__
from scai.cli._tool import Tool

# The headings of the help, in this order; others follow.
SECTIONS = ("The server", "Models")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Commands(click.Group):
    """The commands in the files of one package; adding a file adds a command.

    A file train_detector.py is the command `train-detector`. It holds SECTION, the heading that
    lists it in the help, and `main`, a click command or a Tool. Files without SECTION are not
    commands of this group. Files whose names begin with an underscore are ignored.
    """

    package = "scai.cli"

    def list_commands(self, ctx: click.Context) -> list[str]:
        folder = import_module(self.package).__path__[0]
        files = sorted(Path(folder).glob("[!_]*.py"))
        names = [file.stem.replace("_", "-") for file in files]
        return [name for name in names if self._module(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = self._module(cmd_name)
        if module is None:
            return None
        main: click.Command | Tool = module.main
        return main.load() if isinstance(main, Tool) else main

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in SECTIONS}
        for name in self.list_commands(ctx):
            module = self._module(name)
            assert module is not None
            summary = module.main.get_short_help_str(80)
            sections.setdefault(module.SECTION, []).append((name, summary))
        for title, commands in sections.items():
            if commands:
                with formatter.section(title):
                    formatter.write_dl(commands)

    def _module(self, name: str) -> ModuleType | None:
        """The file of a command; None when there is no such command."""
        if not _NAME.fullmatch(name):
            return None
        full_name = f"{self.package}.{name.replace('-', '_')}"
        try:
            module = import_module(full_name)
        except ModuleNotFoundError as error:
            if error.name != full_name:
                raise
            return None
        return module if hasattr(module, "SECTION") else None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="scai")
def main() -> None:
    """SCAI, Simple Cloud AI: a self-hosted image-recognition server."""


if __name__ == "__main__":
    main()
