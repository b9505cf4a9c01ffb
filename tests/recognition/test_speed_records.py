"""Speed records are stored, found again, and ignored when anything changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.engine_makers import DIGITS, ROOT

from scai import plugins
from scai.engines.base import PLAIN, ModelFile, Plan
from scai.errors import EngineError, UnsupportedModel
from scai.models.cards import CLASSIFICATION, ModelCard, SpeedPolicy
from scai.recognition import speed_records, speed_trials
from scai.recognition.loading import (
    engine_order,
    find_speed_record,
    for_one_image,
    load_engine,
)
from scai.recognition.speed_records import PlanSpeed, SpeedRecord, this_machine
from scai.settings import Settings
from workers._main import speed_policy

TFLITE = DIGITS / "digits.tflite"
RECORD = SpeedRecord(
    "openvino", Plan(2), 8, 200.0, 250.0, "litert", 180.0, 190.0, {"tensorflow": "no"}
)


def card(**values: object) -> ModelCard:
    return ModelCard(CLASSIFICATION, Path("m.config"), "m", **{"graph": TFLITE, **values})


# A file as every release since the first has written it.
STORED = """{
 "engine": "openvino",
 "plan": "2 lanes, one image on all threads",
 "lanes": 2,
 "whole": true,
 "batch": 8,
 "images_per_s": {
  "single": 200.0,
  "batch": 250.0,
  "plain_single": 180.0,
  "plain_batch": 190.0
 },
 "plain_engine": "litert",
 "refused": {
  "tensorflow": "no"
 },
 "date": "2026-01-02T03:04:05Z",
 "tried": [
  {
   "engine": "litert",
   "plan": "plain",
   "single": 180.0,
   "batch": 190.0
  }
 ],
 "of": {
  "path": "%s",
  "bytes": 5
 }
}"""


def test_the_files_are_written_as_ever(tmp_path: Path) -> None:
    graph = tmp_path / "m.tflite"
    graph.write_bytes(b"model")
    record = replace(
        RECORD,
        plan=Plan(2, whole=True),
        single=200.04,
        date="2026-01-02T03:04:05Z",
        plan_speeds=(PlanSpeed("litert", "plain", 180.0, 190.0),),
    )
    speed_records.write(tmp_path, "k", record, graph)
    assert (tmp_path / "k-8.json").read_text() == STORED % graph
    assert speed_records.read(tmp_path, "k", 8) == replace(record, single=200.0)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    speed_records.write(tmp_path / "new", "k", RECORD)
    assert speed_records.read(tmp_path / "new", "k", 8) == RECORD
    assert speed_records.read(tmp_path / "new", "other", 8) is None
    assert speed_records.read(tmp_path / "new", "k", 4) is None
    assert speed_records.read(tmp_path / "new", "k", 1, any_batch=True) == RECORD


def test_a_record_belongs_to_engines_and_machine(tmp_path: Path) -> None:
    here = this_machine()
    model = ModelFile(TFLITE)
    key = speed_records.key(model, ["litert"])
    assert key == speed_records.key(model, ["litert"], here)
    others = [
        speed_records.key(model, ["litert", "openvino"]),
        speed_records.key(model, ["litert"], replace(here, processor="another one")),
        speed_records.key(model, ["litert"], replace(here, cores=97)),
    ]
    assert len({key, *others}) == 4


def test_a_record_belongs_to_the_release_of_the_engine(monkeypatch) -> None:
    before = speed_records.key(ModelFile(TFLITE), ["litert"])
    monkeypatch.setattr(plugins.load("engines", "litert"), "version", lambda: "99.0")
    assert speed_records.key(ModelFile(TFLITE), ["litert"]) != before


def test_a_record_belongs_to_file_threads_and_layers(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TFLITE.read_bytes())
    model = ModelFile(path)
    changed = [model, replace(model, threads=3), replace(model, outputs=("another",))]
    keys = [speed_records.key(one, ["litert"]) for one in changed]
    path.write_bytes(path.read_bytes() + b"\0")
    assert len({*keys, speed_records.key(model, ["litert"])}) == 4


def test_the_processor_is_named_by_the_system(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Fast One: 9\nflags\t: fpu\n")
    assert this_machine(cpuinfo).processor == "Fast One: 9"
    assert this_machine(tmp_path / "none").processor == os.uname().machine


GOOD = json.dumps(RECORD.to_dict())
DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    "\x00" * 50,
    GOOD[:-30],
    GOOD.replace('"lanes": 2', '"lanes": -2'),
    GOOD.replace('"engine": "openvino"', '"engine": "../x"'),
    GOOD.replace("200.0", "NaN"),
    GOOD.replace("200.0", "0"),
    GOOD.replace(RECORD.date, "tomorrow"),
    GOOD.replace('"refused": {', '"refused": 5, "x": {'),
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "k-8.json").write_text(text)
    assert speed_records.read(tmp_path, "k", 8) is None


@pytest.fixture
def trial_runs(monkeypatch) -> list[str]:
    """Trials that cost nothing: the engines of each one that was run."""
    runs: list[str] = []

    def find_fastest(model: ModelFile, engines, trials, images) -> SpeedRecord:
        runs.append(" ".join(engines))
        return replace(RECORD, batch=max(1, model.batch), refusals={})

    monkeypatch.setattr(speed_trials, "find_fastest", find_fastest)
    return runs


def load(**values: object):
    batch = int(values.pop("batch", 8))  # type: ignore[call-overload]
    engine = load_engine(card(**values), batch=batch)
    try:
        return engine.name, engine.plan, dict(engine.speed_record)
    finally:
        engine.close()


def test_a_model_has_one_trial(trial_runs: list[str], tmp_path: Path) -> None:
    policy = SpeedPolicy(tmp_path)
    first = load(speed_policy=policy)
    assert first == load(speed_policy=policy)
    assert first[:2] == ("openvino", Plan(2)) and first[2]["images_per_s"]["batch"] == 250
    assert trial_runs == ["litert openvino"]
    load(speed_policy=policy, batch=4)
    load(speed_policy=policy, threads=1)
    assert len(trial_runs) == 3
    for file in tmp_path.glob("*.json"):
        file.write_text("{")
    load(speed_policy=policy)
    assert len(trial_runs) == 4


def test_a_named_engine_is_kept(trial_runs: list[str], tmp_path: Path) -> None:
    load(speed_policy=SpeedPolicy(tmp_path), engine="openvino")
    assert trial_runs == ["openvino"]


def test_job_mode_uses_records_and_runs_no_trial(trial_runs, tmp_path: Path) -> None:
    policy = SpeedPolicy(tmp_path, run_trials=False)
    assert load(speed_policy=policy, batch=1) == ("litert", PLAIN, {})
    load(speed_policy=SpeedPolicy(tmp_path))
    load(speed_policy=SpeedPolicy(tmp_path), engine="openvino")
    assert load(speed_policy=policy, batch=1, engine="openvino")[:2] == ("openvino", Plan(2))
    # The engine that is faster once it runs starts later.
    assert load(speed_policy=policy, batch=1)[:2] == ("litert", PLAIN)
    assert len(trial_runs) == 2


def test_only_the_model_that_a_worker_starts_with_gets_a_trial(tmp_path: Path) -> None:
    settings = Settings(cachepath=tmp_path)
    assert speed_policy(settings, at_start=True) == SpeedPolicy(tmp_path, use=True, run_trials=True)
    assert speed_policy(settings, at_start=False) == SpeedPolicy(
        tmp_path, use=True, run_trials=False
    )
    off = replace(settings, measure="off")
    assert speed_policy(off, at_start=True).use is False


def test_job_mode_loads_nothing_for_images_that_come_together() -> None:
    best = replace(RECORD, plan=Plan(2, whole=True))
    assert for_one_image(best, ["openvino"]).plan == Plan(1)
    # unless the first of the order gave other answers
    refused = replace(RECORD, refusals={"litert": "differs"})
    assert for_one_image(refused, ["litert", "openvino"]).engine == "openvino"


def test_switched_off_the_default_plan_runs(trial_runs: list[str], tmp_path: Path) -> None:
    load(speed_policy=SpeedPolicy(tmp_path))
    assert load(speed_policy=SpeedPolicy(tmp_path, use=False)) == ("litert", PLAIN, {})
    assert load() == ("litert", PLAIN, {})


def test_a_folder_that_cannot_be_is_only_a_warning(trial_runs, tmp_path: Path, caplog) -> None:
    (tmp_path / "file").touch()
    assert load(speed_policy=SpeedPolicy(tmp_path / "file" / "cache"))[0] == "openvino"
    assert [r for r in caplog.records if r.levelname == "WARNING" and "file/cache" in r.message]


def test_a_trial_that_fails_leaves_the_fixed_order(monkeypatch, tmp_path: Path, caplog) -> None:
    def fail(*args: object) -> None:
        raise EngineError("no luck")

    monkeypatch.setattr(speed_trials, "find_fastest", fail)
    assert load(speed_policy=SpeedPolicy(tmp_path)) == ("litert", PLAIN, {})
    [line] = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert "no luck" in line


def test_a_recorded_engine_that_refuses_is_followed_by_the_fixed_order(
    trial_runs, monkeypatch, tmp_path: Path
) -> None:
    def refuse(self: object, model: ModelFile) -> None:
        raise UnsupportedModel("no")

    monkeypatch.setattr(plugins.load("engines", "openvino").Engine, "__init__", refuse)
    assert load(speed_policy=SpeedPolicy(tmp_path)) == ("litert", PLAIN, {})


def test_an_engine_that_gave_other_answers_comes_last() -> None:
    best = replace(RECORD, engine="tensorflow", plan=PLAIN, refusals={"openvino": "differs"})
    order = engine_order(["openvino", "tensorflow"], best)
    assert order == [("tensorflow", PLAIN), ("openvino", PLAIN)]


def test_no_trial_is_run_where_there_is_one_plan(trial_runs, tmp_path: Path) -> None:
    engine = load_engine(
        card(engine="fake", speed_policy=SpeedPolicy(tmp_path)), classes=3, batch=8
    )
    assert engine.plan == PLAIN and not trial_runs and not list(tmp_path.glob("*.json"))


def test_a_record_is_found_without_loading_the_model(trial_runs, tmp_path: Path) -> None:
    model = card(speed_policy=SpeedPolicy(tmp_path))
    assert find_speed_record(model, 8) is None
    load(speed_policy=SpeedPolicy(tmp_path))
    assert find_speed_record(model, 8) == replace(find_speed_record(model, 8), engine="openvino")
    assert find_speed_record(card(), 8) is None


def test_openvino_keeps_compiled_models_in_the_same_folder(tmp_path: Path) -> None:
    off = SpeedPolicy(tmp_path / "all", use=False)
    load(engine="openvino", speed_policy=off)
    assert list((tmp_path / "all").glob("*.blob"))
    load(engine="openvino", speed_policy=off, cache=tmp_path / "own")
    assert list((tmp_path / "own").glob("*.blob"))


def test_a_process_without_trials_does_not_load_their_code() -> None:
    code = (
        "import sys, workers.image_classification; "
        "print('scai.recognition.speed_trials' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
