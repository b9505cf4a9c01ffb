"""The packages of the project: how large one may grow, and which libraries stand in one place.

Who may import whom is said in pyproject.toml, and `make check` runs import-linter.
"""

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest

from scai import errors, plugins
from scai.settings import ROOT

RUNTIME_LIBRARIES = {
    "openvino": {"scai/engines/openvino.py"},
    "ai_edge_litert": {"scai/engines/litert.py"},
    "tensorflow": {"scai/engines/tensorflow.py"},
    "keras": set(),
    "watchdog": {"scai/queues/_doorbell.py"},
    "httptools": {"scai/programs/front/reader.py"},
    "isal": {"scai/pictures/png.py"},
    "simplejpeg": {"scai/pictures/_libjpeg.py"},
}
LONGEST_FILE = 400
SOURCES = sorted(
    file
    for folder in ("scai", "workers", "tools", "benchmarks")
    for file in (ROOT / folder).rglob("*.py")
)
SERVER = [file for file in SOURCES if file.relative_to(ROOT).parts[0] in ("scai", "workers")]


@cache
def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {
                name
                for name in inner
                if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
            }
            found |= modules or {node.module}
    return found


@pytest.mark.parametrize("seam", ["engines", "queues", "routes", "workers"])
def test_variants_behind_a_seam_do_not_know_each_other(seam: str) -> None:
    modules = {name: plugins.load(seam, name) for name in plugins.names(seam)}
    files = {module.__name__: Path(str(module.__file__)) for module in modules.values()}
    assert len(files) > 1
    neighbours = {name: imports(file) & (files.keys() - {name}) for name, file in files.items()}
    assert {name: found for name, found in neighbours.items() if found} == {}


def test_each_runtime_library_appears_in_one_file() -> None:
    for library, homes in RUNTIME_LIBRARIES.items():
        users = {
            str(file.relative_to(ROOT))
            for file in SERVER
            if any(name.split(".")[0] == library for name in imports(file))
        }
        assert users == homes, library


def test_packages_stay_small_and_say_what_they_are_for() -> None:
    texts = {str(file.relative_to(ROOT)): file.read_text() for file in SOURCES}
    assert [name for name, text in texts.items() if text.count("\n") > LONGEST_FILE] == []
    assert [name for name, text in texts.items() if not ast.get_docstring(ast.parse(text))] == []


def test_the_levels_of_the_server_and_of_the_tools_stay_easy_to_survey() -> None:
    for folder, most in (("scai", 20), ("tools", 16)):
        entries = [e for e in (ROOT / folder).iterdir() if e.name != "__pycache__"]
        assert len(entries) <= most, sorted(e.name for e in entries)


def test_no_address_of_a_registry_and_no_place_of_one_machine_is_committed() -> None:
    places = [f"{ROOT}/", f"{Path.home()}/"]
    bad = re.compile(
        "|".join([r"pypi\.org/simple", r"files\.pythonhosted", r"registry\.npmjs"])
        + "|"
        + "|".join(map(re.escape, places))
    )
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - {".venv", ".cache", ".git", "session", "pooling"})
        for file in (Path(folder, name) for name in names):
            written = file.suffix in (".py", ".md", ".txt", ".in", ".sh", ".toml", ".json")
            if (written or file.name == "Makefile") and file != Path(__file__).resolve():
                assert not bad.search(file.read_text(errors="replace")), file


def test_every_error_stands_in_the_tree_and_survives_the_process_border() -> None:
    kinds = [errors.ScaiError, *all_below(errors.ScaiError)]
    for kind in kinds:
        assert kind.__name__ in (errors.__doc__ or "")
        again = errors.ScaiError.from_dict(kind("sentence", stage="decode").to_dict())
        assert type(again) is kind
        assert (again.message, again.details) == ("sentence", {"stage": "decode"})
    assert len({kind.code for kind in kinds}) == len(kinds)


def all_below(kind: type) -> list[type]:
    return [found for sub in kind.__subclasses__() for found in [sub, *all_below(sub)]]
