"""Puts a trained model where the server finds it: its folder under usr/models, its section."""

import re
import shutil
from pathlib import Path

from scai.models import cards
from tools.common.errors import UserError
from tools.common.files import publish
from tools.common.folders import whole_folder

# What serves and what tells of it; the formats to learn on from stay where they are.
_SERVED = {".tflite", ".pb", ".txt", ".pbtxt", ".json", ".md", ".png"}
# People's own pictures are not handed on with what was learned from them.
_KEPT_BACK = {"examples.png"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def served(name: str) -> bool:
    """Whether a file of this name, in a model's folder, goes along when it is installed."""
    return Path(name).suffix in _SERVED and name not in _KEPT_BACK


def check(config: Path, name: str, force: bool) -> None:
    """Refuse early what could not be installed after an hour of learning. Raises UserError."""
    if not NAME.fullmatch(name):
        raise UserError(f"--install {name!r}: expected letters, digits, - and _.")
    if not force and config.exists() and name in cards.sections(config):
        raise UserError(f"{config}: there is a section [{name}] already; --force replaces it.")


def install(out: Path, config: Path, name: str, lines: str, force: bool) -> None:
    """Copy the model's folder, then make its section appear. Raises UserError."""
    check(config, name, force)
    target = config.parent / "models" / name
    if target.resolve() != out.resolve():
        with whole_folder(target) as part:
            for file in sorted(p for p in out.iterdir() if served(p.name)):
                shutil.copy2(file, part / file.name)
    text = config.read_text(encoding="utf-8") if config.exists() else ""
    publish(config, with_section(text, name, lines))


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
