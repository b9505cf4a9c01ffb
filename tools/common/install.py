"""Install a trained model where the server looks for it: a folder in usr/models and a section."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Protocol

import click

from scai.models import cards
from tools.common.errors import UserError
from tools.common.files import publish
from tools.common.folders import whole_folder

# What the server needs and what describes it; the formats for further training stay in --out.
_SUFFIXES = {".tflite", ".pb", ".txt", ".pbtxt", ".json", ".md", ".png"}
# Pictures of the data are not passed on with the model.
_PRIVATE = {"examples.png"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class Target(Protocol):
    """The options of a training command that say where its result goes.

    out: the output folder. install_as: name on the server, None: the model is not installed
    config: the models file to write to. force: replace what is there
    """

    @property
    def name(self) -> str: ...
    @property
    def out(self) -> Path: ...
    @property
    def install_as(self) -> str | None: ...
    @property
    def config(self) -> Path: ...
    @property
    def force(self) -> bool: ...


def check(target: Target) -> None:
    """Check before the training that the output can be written. Raises UserError."""
    if target.install_as:
        check_section(target.config, target.install_as, target.force)
    if not _NAME.fullmatch(target.name):
        raise UserError(f"--out {target.out}: expected a name of letters, digits, - and _.")
    if target.out.exists() and not target.force:
        raise UserError(f"--out {target.out}: is there already; --force replaces it.")


def check_section(config: Path, name: str, force: bool) -> None:
    """Raise UserError if `name` cannot be the name of a new section of `config`."""
    if not _NAME.fullmatch(name):
        raise UserError(f"--install {name!r}: expected letters, digits, - and _.")
    if not force and config.exists() and name in cards.sections(config):
        raise UserError(f"{config}: there is a section [{name}] already; --force replaces it.")


def card_files(folder: Path, installed: bool) -> list[str]:
    """The files below `folder` for a card to list; if it is installed, only those that go along."""
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return [n for n in names if not installed or ("/" not in n and _goes_along(n))]


def folder_in_config(target: Target) -> str:
    """The model's folder as its section should name it."""
    return f"models/{target.name}" if target.install_as else target.out.as_posix()


def finish(target: Target, lines: str) -> None:
    """Install the output folder with the section `lines`, or print the lines. Raises UserError."""
    if not target.install_as:
        click.echo(f"Add to usr/{target.config.name}:\n\n{lines}")
        return
    check_section(target.config, target.install_as, target.force)
    folder = target.config.parent / "models" / target.install_as
    if folder.resolve() != target.out.resolve():
        with whole_folder(folder) as part:
            for file in sorted(p for p in target.out.iterdir() if _goes_along(p.name)):
                shutil.copy2(file, part / file.name)
    text = target.config.read_text(encoding="utf-8") if target.config.exists() else ""
    publish(target.config, with_section(text, target.install_as, lines))
    click.echo(f"{target.config}: [{target.install_as}]")


def with_section(text: str, name: str, lines: str) -> str:
    """`text` with the section replaced or added at the end; all else stays, comments too."""
    rows = text.splitlines(keepends=True)
    heads = [i for i, row in enumerate(rows) if row.lstrip().startswith("[")]
    here = next((i for i in heads if rows[i].strip() == f"[{name}]"), None)
    if here is None:
        joint = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return text + joint + lines
    end = next((i for i in heads if i > here), len(rows))
    # Comments and blank lines right above the next section belong to that one.
    while end > here + 1 and (not rows[end - 1].strip() or rows[end - 1].lstrip()[0] in "#;"):
        end -= 1
    return "".join(rows[:here]) + lines + "".join(rows[end:])


def _goes_along(name: str) -> bool:
    """Whether a file of this name, in the output folder, is installed too."""
    return Path(name).suffix in _SUFFIXES and name not in _PRIVATE
