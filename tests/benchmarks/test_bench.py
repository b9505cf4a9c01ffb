"""The benchmarks' harness and command, and that a quick run measures what it says. No timings."""

from __future__ import annotations

import inspect
import json
import re
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks import command
from benchmarks._machine import file_system
from benchmarks._photo import photo
from benchmarks.harness import interleave, percentile
from benchmarks.report import Ratio, Report, Row
from scai.pictures.header import probe
from scai.settings import ROOT

README = (ROOT / "benchmarks" / "README.md").read_text()


def report() -> Report:
    made = Report("small", "A small report")
    for value in (3.0, 1.0, 2.0):
        made.add("uploads: 1 thread", "uploads/s", value * 1000, "a note")
        made.add("uploads: 1 thread", "ms", value)
    made.ratio("ours / theirs", 2.9, 3.0, 4.0)
    made.ratio("delay in ms", 7.0, 20, 5, at_most=True)
    made.ratio("no promise", 1.5)
    made.notes.append("something to know")
    made.series["ours"] = {"x": [1, 2], "y": [3, 4], "xlabel": "threads", "ylabel": "uploads/s"}
    return made


def test_a_row_is_read_by_its_middle_and_its_ends() -> None:
    row = Row("rate", "images/s", [5.0, 1.0, 2.0])
    assert (row.median, row.low, row.high) == (2.0, 1.0, 5.0)
    assert Row("rate", "images/s", [1.0, 2.0]).median == 1.5


def test_values_of_one_name_and_unit_make_one_row() -> None:
    made = report()
    assert [(r.name, r.unit, len(r.values)) for r in made.rows] == [
        ("uploads: 1 thread", "uploads/s", 3),
        ("uploads: 1 thread", "ms", 3),
    ]
    assert made.row("uploads: 1 thread").median == 2000
    assert made.row("uploads: 1 thread", "ms").median == 2
    with pytest.raises(KeyError):
        made.row("uploads: 1 thread", "s")


@pytest.mark.parametrize(
    "value, bar, at_most, met",
    [
        (3.0, 3.0, False, True),  # reached exactly
        (2.9, 3.0, False, False),
        (20.0, 20.0, True, True),
        (20.1, 20.0, True, False),
        (1.0, None, False, None),  # nothing is promised
    ],
)
def test_a_ratio_knows_whether_it_keeps_its_promise(
    value: float, bar: float | None, at_most: bool, met: bool | None
) -> None:
    assert Ratio("x", value, bar, None, at_most).is_met is met


def test_the_table_shows_figures_bars_and_what_was_missed() -> None:
    text = report().table()
    assert re.search(r"uploads: 1 thread +2,000 +1,000 +3,000 +uploads/s +a note", text)
    assert re.search(r"ours / theirs +2\.9 +>= 3 +>= 4 +MISSED", text)
    assert re.search(r"delay in ms +7 +<= 20 +<= 5 +met", text)
    assert "- something to know" in text


def test_json_and_plots_are_written_and_tell_the_circumstances(tmp_path: Path) -> None:
    files = command.write(report(), tmp_path / "new")
    assert [file.name for file in files] == [
        "small.json",
        "small-uploads-per-s.png",
        "small-ms.png",
        "small-uploads-per-s-by-threads.png",
    ]
    assert all(file.stat().st_size for file in files)
    found = json.loads(files[0].read_text())
    assert found["rows"][0]["values"] == [3000, 1000, 2000] and found["rows"][0]["median"] == 2000
    assert [ratio["met"] for ratio in found["ratios"]] == [False, True, None]
    assert found["series"]["ours"]["y"] == [3, 4] and found["notes"] == ["something to know"]
    for key in ("processor", "cores", "memory_gb", "kernel", "file_system", "load_average"):
        assert key in found["machine"]
    assert {"python", "scai", "numpy"} <= set(found["versions"])
    assert found["date"] and found["command"]


def test_contenders_take_turns_and_each_is_first_once() -> None:
    order: list[str] = []

    def contender(name: str) -> int:
        order.append(name)
        return len(order)

    found = interleave(3, {name: lambda name=name: contender(name) for name in "abc"})
    assert order == list("abc" + "bca" + "cab")
    assert found == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]
    assert percentile([7.0], 0.99) == 7


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    if Path("/proc/self/mountinfo").exists():
        assert file_system(Path("/proc/self")) == "proc"


def test_the_photo_is_as_large_as_it_says_and_always_the_same() -> None:
    data = photo()
    assert abs(len(data) - 100_000) < 5_000
    found = probe(data)
    assert (found.width, found.height) == (640, 480)
    assert data == photo.__wrapped__()


@pytest.mark.parametrize("name", [*command.BENCHMARKS, command.ALL])
def test_every_benchmark_has_help_and_is_explained_with_every_option(name: str) -> None:
    help_page = CliRunner().invoke(command.main, [name, "--help"])
    assert help_page.exit_code == 0
    assert f"scai bench {name}" in README
    one = command.main.get_command(click.Context(command.main), name)
    assert one is not None and one.help
    for parameter in one.params:
        assert isinstance(parameter, click.Option) and parameter.help
        for flag in parameter.opts:
            assert f"`{flag}" in README, flag


@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_every_benchmark_can_be_run_by_the_command(name: str) -> None:
    run = import_module(f"benchmarks.{name}").run
    assert list(inspect.signature(run).parameters)[:3] == ["rounds", "quick", "out"]
    assert name in CliRunner().invoke(command.main, ["--help"]).output


def test_all_goes_on_after_a_benchmark_that_cannot_be_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(rounds: int, quick: bool, out: Path) -> Report:
        raise click.ClickException("TensorFlow is not installed")

    def good(rounds: int, quick: bool, out: Path) -> Report:
        assert (rounds, quick, out) == (5, True, tmp_path)
        return report()

    for name in command.BENCHMARKS:
        monkeypatch.setattr(f"benchmarks.{name}.run", good if name == "job" else broken)
    arguments = ["all", "--quick", "--rounds", "5", "--out", str(tmp_path)]
    ran = CliRunner().invoke(command.main, arguments)
    assert ran.exit_code == 1
    assert "TensorFlow is not installed" in ran.output and "A small report" in ran.output
    assert (tmp_path / "small.json").exists()


def quick(name: str, folder: Path) -> dict[str, dict[str, list[float]]]:
    """The rows of a quick run of one round, by unit and name."""
    arguments = [name, "--quick", "--rounds", "1", "--out", str(folder)]
    ran = CliRunner().invoke(command.main, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    rows: dict[str, dict[str, list[float]]] = {}
    for row in json.loads((folder / f"{name}.json").read_text())["rows"]:
        rows.setdefault(row["unit"], {})[row["name"]] = row["values"]
    assert all(value > 0 for unit in rows.values() for row in unit.values() for value in row)
    # Nothing but the report is left.
    assert {file.suffix for file in folder.iterdir()} == {".json", ".png"}
    return rows


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_queue_is_measured_in_all_its_parts(tmp_path: Path) -> None:
    rows = quick("queue", tmp_path)
    assert len(rows["uploads/s"]) == 9
    assert list(rows["jobs/s"]) == [
        "claims: 1 process",
        "claims: 2 processes",
        "claims: 4 processes",
    ]
    assert {"pick-up, ticket created: p50", "pick-up, ticket renamed: p99"} <= set(rows["ms"])
    assert "claim of 8, mean with listings: 100,000 wait" in rows["ms"]
    assert "worker's start to first verdict: 10,000 wait" in rows["s"]
    assert {"2,000 sessions: purge", "2,000 sessions: rmtree of the same"} <= set(rows["s"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_job_is_measured_beside_a_resident_worker(tmp_path: Path) -> None:
    rows = quick("job", tmp_path)
    assert set(rows["s"]) == {
        "job mode, process start to verdict",
        "resident worker, ticket to verdict",
        "python -c pass",
        'python -c "import tensorflow"',
    }
