"""The documents and the code say the same: options, keys, routes, errors, flags."""

import dataclasses
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scai import __version__, errors, kinds, plugins, settings
from scai.cli import clean, portal
from scai.cli.__main__ import main as scai
from scai.jobs.service import JobService
from scai.models import cards
from scai.queues.memory import MemoryQueue
from scai.settings import OPTIONS, ROOT, Settings
from scai.web.app import create_app
from scai.web.openapi import document as openapi
from tools.artwork import doc_tables
from workers import image_classification, object_detection

FILES = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("benchmarks/*.md")]
# By their place below docs/ or the root.
DOCS = {str(file.relative_to(ROOT)).removeprefix("docs/"): file.read_text() for file in FILES}


@pytest.mark.parametrize("file", doc_tables.FILES, ids=lambda file: file.name)
def test_tables_from_the_code_are_up_to_date(file: Path) -> None:
    """`python -m tools.artwork.doc_tables` writes them."""
    text = file.read_text()
    assert "<!-- table: " in text
    assert doc_tables.filled(text) == text


def test_a_table_follows_its_comment_and_the_rest_of_the_text_stays() -> None:
    text = "a\n<!-- table: keys Box -->\n| old |\n<!-- end of table -->\nb <!-- end of table -->\n"
    filled = doc_tables.filled(text)
    assert filled.startswith("a\n<!-- table: keys Box -->\n| key | meaning |\n|---|---|\n| `x_min`")
    assert filled.endswith(" |\n<!-- end of table -->\nb <!-- end of table -->\n")
    assert "old" not in filled


@pytest.mark.parametrize("name", ["colours", "refusals POST /nowhere"])
def test_an_unknown_table_is_refused_by_name(name: str) -> None:
    with pytest.raises(click.ClickException, match=name.partition(" ")[2] or name):
        doc_tables.filled(f"<!-- table: {name} -->\n<!-- end of table -->")


def test_the_tables_of_the_api_name_every_operation_and_the_one_of_settings_every_setting() -> None:
    for operation in openapi.operations(Settings().kinds.values()):
        assert not operation.listed or operation.summary in DOCS["api.md"], operation.name
    table = DOCS["configuration.md"].partition("<!-- table: settings")[2].partition("<!-- end")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.M) == list(OPTIONS)


def test_every_key_of_a_kind_is_explained() -> None:
    types = (kinds.Kind, kinds.KindWords, kinds.ApiWords, kinds.OwnSettings, kinds.SamplePhoto)
    keys = {field.name for kind in types for field in dataclasses.fields(kind)}
    ours = {"words", "api", "settings", "samples", "addresses"}
    assert [key for key in keys - ours - {"file"} if f"`{key}`" not in DOCS["kinds.md"]] == []
    assert [name for name in ours if f"[{name}]" not in DOCS["kinds.md"]] == []


def test_the_smallest_kind_of_the_page_is_one(tmp_path: Path) -> None:
    text = DOCS["kinds.md"].partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "toy.py").touch()
    (tmp_path / "toy.toml").write_text(text)
    assert kinds.load(tmp_path)["toy"].upload == "/toy"


def test_every_key_of_a_models_section_is_explained_and_no_other() -> None:
    keys = {key.upper() for key in cards.KEYS}
    row = r"^\| `(\w+)` \| (?:both|classification|detection) \|"
    explained = re.findall(row, DOCS["configuration.md"], re.M)
    assert {key.upper() for key in explained} == keys


def test_every_engine_is_named() -> None:
    for engine in plugins.names("engines"):
        assert f"`{engine}`" in DOCS["configuration.md"]


def test_every_route_is_documented(tmp_path: Path) -> None:
    values = Settings(sessionpath=tmp_path / "session")
    service = JobService(values, {kind: MemoryQueue(kind) for kind in plugins.names("workers")})
    for rule in create_app(service, values).url_map.iter_rules():
        assert f"`{rule.rule}`" in DOCS["api.md"] or f" {rule.rule}`" in DOCS["api.md"], rule.rule


def test_every_error_code_is_documented() -> None:
    todo: list[type[errors.ScaiError]] = [errors.ScaiError]
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        assert f"`{kind.code}`" in DOCS["api.md"], kind.code


ROOT_CONTEXT = click.Context(scai)
COMMANDS = {
    **{name: scai.get_command(ROOT_CONTEXT, name) for name in scai.list_commands(ROOT_CONTEXT)},
    "index.py": portal.main,
    "clean.py": clean.main,
    "workers.image_classification": image_classification.main,
    "workers.object_detection": object_detection.main,
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_documented_and_every_command_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert isinstance(command, click.Command)
    text = "\n".join(DOCS.values())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"
            for flag in parameter.opts:
                assert f"{flag}" in text, f"{name} {flag}"
    help_page = CliRunner().invoke(command, ["--help"])
    assert help_page.exit_code == 0 and command.help


def flags_of(command: click.Command) -> set[str]:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {flag for each in command.params for flag in (*each.opts, *each.secondary_opts)}
    return own.union(*map(flags_of, inner))


def test_every_flag_that_a_page_of_a_command_names_exists() -> None:
    flags = {"--help"}.union(*(flags_of(command) for command in COMMANDS.values()))
    for file in ROOT.glob("docs/models/*.md"):
        named = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", file.read_text()))
        assert named <= flags, file.name


def test_every_library_has_its_reason() -> None:
    lines = [*(ROOT / "requirements").glob("*.in")]
    names = {
        re.match(r"[a-z0-9-]+", line)[0]  # type: ignore[index]
        for file in lines
        for line in file.read_text().splitlines()
        if re.match(r"[a-z]", line) and not line.startswith(("types-", "backports"))
    }
    page = DOCS["decisions/libraries.md"].lower().replace("opencv (", "opencv-python-headless (")
    assert [name for name in sorted(names) if name not in page] == []


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in DOCS["CHANGELOG.md"]


def test_the_systemd_units_name_programs_that_exist() -> None:
    for unit in ROOT.glob("systemd/*.service"):
        command = re.search(r"^ExecStart=\S+/python (\S+)", unit.read_text(), re.M)
        assert command and (command[1] == "-m" or (ROOT / command[1]).exists()), unit.name


def test_the_settings_file_that_comes_with_it_is_valid() -> None:
    assert settings.load({}, {}, ROOT / "usr" / "scai.config") == Settings()
