"""The rooms of the project: who may import whom, and how large a room may grow."""

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest

from scai import errors, plugins
from scai.settings import ROOT

# A module imports only from lower levels; docs/design.md says the same in words.
LEVELS = [
    {"scai", "scai.errors"},
    {
        "scai.plugins",
        "scai.batches",
        "scai.figures",
        "scai.models",
        "scai.png",
        "scai.durable",
        "scai.overlap",
        "scai.backlog",
        "scai.records",
        "scai.spool",
        "scai.spreadsheets",
        "scai.batches.zip_list",
        "scai.settings",
        "scai.logs",
        "scai.labels",
        "scai.results",
        "scai.routes",
        "scai.processes",
        "scai.figures.journal",
        "scai.figures.findings",
        "scai.figures.charts",
        "scai.doorbell",
        "scai.language",
        "scai.csrf",
        "scai.description.operations",
        "scai.refusals",
        "scai.queues.base",
        "scai.queues._claims",
        "scai.engines.base",
    },
    {
        "scai.batches.table",
        "scai.batches.unpacking",
        "scai.cards",
        "scai.images",
        "scai.pixels",
        "scai.annotate",
        "scai.session",
        "scai.owners",
        "scai.recognizer",
        "scai.measured",
        "scai.waiters",
        "scai.forms",
        "scai.depth",
        "scai.figures.hour",
        "scai.places",
        "scai.statics",
        "scai.page",
        "scai.description",
        "scai.description.*",
        "scai.description.snippets",
        "scai.models.model_notes",
    },
    {
        "scai.batches.batch",
        "scai.queues.*",
        "scai.engines.*",
        "scai.events",
        "scai.description.openapi",
        "scai.tuning",
        "scai.models.speeds",
        "scai.choices",
    },
    {
        "scai.archive",
        "scai.choose",
        "scai.measuring",
        "scai.model_cache",
        "scai.service",
        "scai.batches.progress",
        "scai.batches.adding",
        "scai.batches.service",
        "scai.batches.forms",
        "scai.models.model",
        "scai.models.shelf",
        "scai.models.telling",
        "scai.worker",
        "scai.admission",
        "scai.batching",
        "scai.inference",
        "scai.verdicts",
        "scai.retention",
        "scai.jobs",
        "scai.status",
        "scai.figures.overview",
        "scai.task",
        "scai.client",
    },
    {"scai.report", "scai.web.*", "workers", "workers.*"},
    {"scai.app", "scai.supervisor"},
    {"scai.portal", "scai.cli"},
    {"index", "run", "clean"},
]
# Within a level, these see their neighbours; the arrows are still one way.
NEIGHBOURS = {
    ("scai.settings", "scai.plugins"),
    ("scai.durable", "scai.overlap"),
    ("scai.images", "scai.session"),
    ("scai.pixels", "scai.images"),
    ("scai.annotate", "scai.pixels"),
    ("scai.recognizer", "scai.cards"),
    ("scai.worker", "scai.model_cache"),
    ("scai.worker", "scai.task"),
    ("scai.worker", "scai.admission"),
    ("scai.worker", "scai.batching"),
    ("scai.worker", "scai.inference"),
    ("scai.worker", "scai.verdicts"),
    ("scai.admission", "scai.task"),
    ("scai.admission", "scai.verdicts"),
    ("scai.batching", "scai.task"),
    ("scai.inference", "scai.model_cache"),
    ("scai.inference", "scai.task"),
    ("scai.verdicts", "scai.task"),
    ("scai.figures.overview", "scai.status"),
    ("scai.models.shelf", "scai.models.model"),
    ("scai.models.telling", "scai.models.model"),
    ("scai.queues._claims", "scai.queues.base"),
    ("scai.description.batches", "scai.description.batch_schemas"),
    ("scai.cli", "scai.portal"),
    ("scai.batches.adding", "scai.batches.progress"),
    ("scai.batches.adding", "scai.service"),
    ("scai.batches.service", "scai.batches.adding"),
    ("scai.batches.service", "scai.batches.progress"),
    ("scai.batches.service", "scai.service"),
    ("scai.batches.forms", "scai.batches.adding"),
}
RUNTIME_LIBRARIES = {
    "openvino": {"scai/engines/openvino.py"},
    "ai_edge_litert": {"scai/engines/litert.py"},
    "tensorflow": {"scai/engines/tensorflow.py"},
    "keras": set(),
    "watchdog": {"scai/doorbell.py"},
    "granian": {"scai/portal.py"},
    "isal": {"scai/png.py"},
}
SOURCES = sorted(
    [*ROOT.glob("scai/**/*.py"), *ROOT.glob("workers/*.py")]
    + [ROOT / name for name in ("index.py", "run.py", "clean.py")]
)


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {
                name
                for name in inner
                if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
            }
            found |= known or {node.module}
    return found


def level(name: str) -> int:
    for number, names in enumerate(LEVELS):
        if name in names:
            return number
    family = name.rpartition(".")[0] + ".*"
    for number, names in enumerate(LEVELS):
        if family in names:
            return number
    raise AssertionError(f"{name} stands in no room; give it a level here and in docs/design.md")


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_one_way(file: Path) -> None:
    name = module(file)
    for other in imports(file):
        if other.split(".")[0] not in ("scai", "workers", "index", "run", "clean"):
            continue
        allowed = level(other) < level(name) or (name, other) in NEIGHBOURS
        same_folder = name.startswith("workers.") and other == "workers._main"
        assert allowed or same_folder, f"{name} (level {level(name)}) imports {other}"


def test_each_runtime_library_appears_in_one_file() -> None:
    for library, homes in RUNTIME_LIBRARIES.items():
        users = {
            str(file.relative_to(ROOT))
            for file in SOURCES
            if any(name.split(".")[0] == library for name in imports(file))
        }
        assert users == homes, library


def test_plugins_of_a_folder_do_not_know_each_other() -> None:
    for kind in ("queues", "engines", "web"):
        for name in plugins.names(kind):
            others = {f"scai.{kind}.{other}" for other in plugins.names(kind)} - {
                f"scai.{kind}.{name}"
            }
            assert not imports(ROOT / "scai" / kind / f"{name}.py") & others


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_rooms_stay_small_and_say_what_they_are_for(file: Path) -> None:
    text = file.read_text()
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text))


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
