"""Every link, file, folder and program that a document names exists."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from scai.settings import ROOT

DOCS = sorted(
    [
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        ROOT / "benchmarks" / "README.md",
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
    ]
)
FOLDERS = "scai|workers|tools|tests|docs|static|templates|systemd|benchmarks|examples|requirements"
# A path of this project, up to a character that no path of ours has; with a placeholder such as
# <kind> or NAME in it, as far as the placeholder.
PATH = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/(?:[a-z0-9_.-]+/)*(?:[a-zA-Z0-9_.-]+)?)([<*{{…]?)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
MODULE = re.compile(r"python -m ([a-z0-9_.]+)")


def headings(file: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(file: Path) -> list[str]:
    broken = []
    for link in LINK.findall(file.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (file.parent / target).resolve() if target else file
        if not path.exists() or (anchor and anchor not in headings(path)):
            broken.append(link)
    return broken


def missing_paths(text: str) -> list[str]:
    missing = []
    for path, placeholder in PATH.findall(text):
        if placeholder:
            path = path.rpartition("/")[0]
        if not (ROOT / path.rstrip(".")).exists():
            missing.append(path)
    return missing


@pytest.mark.parametrize("file", DOCS, ids=lambda file: str(file.relative_to(ROOT)))
def test_everything_that_a_document_names_exists(file: Path) -> None:
    text = file.read_text()
    assert broken_links(file) == []
    assert missing_paths(text) == []
    modules = [name.rstrip(".") for name in MODULE.findall(text)]
    ours = [name for name in modules if name.split(".")[0] in FOLDERS.split("|")]
    assert [name for name in ours if name not in ("workers", "tools") and not find_spec(name)] == []


def test_a_missing_file_is_noticed_and_a_placeholder_is_not() -> None:
    text = "see scai/nowhere.py, `workers/<kind>.py`, scai/queues/ and docs/models/retrain.md."
    assert missing_paths(text) == ["scai/nowhere.py"]


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    todo, reached = [ROOT / "README.md"], set()
    while todo:
        file = todo.pop()
        if file in reached or file.suffix != ".md" or not file.exists():
            continue
        reached.add(file)
        links = (link.partition("#")[0] for link in LINK.findall(file.read_text()))
        todo += [(file.parent / link).resolve() for link in links if link]
    assert set(ROOT.glob("docs/**/*.md")) <= reached
