"""What was measured of a model is kept, found again, and left when anything changes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.engine_makers import DIGITS, ROOT

from scai import plugins
from scai.engines.base import PLAIN, ModelFile, Plan
from scai.errors import EngineError, UnsupportedModel
from scai.models.cards import CLASSIFICATION, ModelCard, Tuning
from scai.recognition import loading, speed_records, speed_trials
from scai.recognition.loading import find_measured, load_engine
from scai.recognition.speed_records import Measured
from scai.settings import Settings
from workers._main import tuning_of

TFLITE = DIGITS / "digits.tflite"
FOUND = Measured("openvino", Plan(2), 8, 200.0, 250.0, "litert", 180.0, 190.0, {"tensorflow": "no"})


def card(**values: object) -> ModelCard:
    return ModelCard(CLASSIFICATION, Path("m.config"), "m", **{"graph": TFLITE, **values})


def test_a_measurement_comes_back_as_it_was(tmp_path: Path) -> None:
    speed_records.write(tmp_path / "new", "k", FOUND)
    assert speed_records.read(tmp_path / "new", "k", 8) == FOUND
    assert speed_records.read(tmp_path / "new", "other", 8) is None
    assert speed_records.read(tmp_path / "new", "k", 4) is None
    assert speed_records.read(tmp_path / "new", "k", 1, any_batch=True) == FOUND


def change_the_file(monkeypatch, model: ModelFile) -> ModelFile:
    model.path.write_bytes(model.path.read_bytes() + b"\0")
    return model


def change_the_release(monkeypatch, model: ModelFile) -> ModelFile:
    monkeypatch.setattr(plugins.load("engines", "litert"), "version", lambda: "99.0")
    return model


def change_the_processor(monkeypatch, model: ModelFile) -> ModelFile:
    monkeypatch.setattr(speed_records, "processor", lambda: "another one")
    return model


def change_the_cores(monkeypatch, model: ModelFile) -> ModelFile:
    monkeypatch.setattr(speed_records, "cores", lambda: 97)
    return model


def change_the_threads(monkeypatch, model: ModelFile) -> ModelFile:
    return replace(model, threads=3)


def change_the_layers(monkeypatch, model: ModelFile) -> ModelFile:
    return replace(model, outputs=("another",))


CHANGES = [
    change_the_file,
    change_the_release,
    change_the_processor,
    change_the_cores,
    change_the_threads,
    change_the_layers,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_whatever_changes_is_measured_anew(monkeypatch, tmp_path: Path, change) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(TFLITE.read_bytes())
    model = ModelFile(path)
    before = speed_records.key(model, ["litert"])
    assert before == speed_records.key(model, ["litert"])
    assert before != speed_records.key(model, ["litert", "openvino"])
    assert before != speed_records.key(change(monkeypatch, model), ["litert"])


GOOD = json.dumps(FOUND.to_dict())
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
    GOOD.replace(FOUND.date, "tomorrow"),
    GOOD.replace('"refused": {', '"refused": 5, "x": {'),
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "k-8.json").write_text(text)
    assert speed_records.read(tmp_path, "k", 8) is None


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """Measuring that costs nothing: the engines that it was asked about."""
    asked: list[str] = []

    def measure(model: ModelFile, engines, todo, pictures) -> Measured:
        asked.append(" ".join(engines))
        return replace(FOUND, batch=max(1, model.batch), refused={})

    monkeypatch.setattr(speed_trials, "measure", measure)
    return asked


def load(**values: object):
    batch = int(values.pop("batch", 8))  # type: ignore[call-overload]
    engine = load_engine(card(**values), batch=batch)
    try:
        return engine.name, engine.plan, dict(engine.measured)
    finally:
        engine.close()


def test_a_model_is_measured_once(counted: list[str], tmp_path: Path) -> None:
    tuned = Tuning(tmp_path)
    first = load(tuning=tuned)
    assert first == load(tuning=tuned)
    assert first[:2] == ("openvino", Plan(2)) and first[2]["images_per_s"]["batch"] == 250
    assert counted == ["litert openvino"]
    load(tuning=tuned, batch=4)
    load(tuning=tuned, threads=1)
    assert len(counted) == 3
    for file in tmp_path.glob("*.json"):
        file.write_text("{")
    load(tuning=tuned)
    assert len(counted) == 4


def test_a_named_engine_is_kept(counted: list[str], tmp_path: Path) -> None:
    load(tuning=Tuning(tmp_path), engine="openvino")
    assert counted == ["openvino"]


def test_job_mode_uses_what_there_is_and_never_measures(counted, tmp_path: Path) -> None:
    job = Tuning(tmp_path, measure=False)
    assert load(tuning=job, batch=1) == ("litert", PLAIN, {})
    load(tuning=Tuning(tmp_path))
    load(tuning=Tuning(tmp_path), engine="openvino")
    assert load(tuning=job, batch=1, engine="openvino")[:2] == ("openvino", Plan(2))
    # The engine that is faster once it runs starts later.
    assert load(tuning=job, batch=1)[:2] == ("litert", PLAIN)
    assert len(counted) == 2


def test_only_the_model_that_a_worker_starts_with_is_measured(tmp_path: Path) -> None:
    chosen = Settings(cachepath=tmp_path)
    assert tuning_of(chosen, at_start=True) == Tuning(tmp_path, use=True, measure=True)
    assert tuning_of(chosen, at_start=False) == Tuning(tmp_path, use=True, measure=False)
    off = replace(chosen, measure="off")
    assert tuning_of(off, at_start=True).use is False


def test_job_mode_loads_nothing_for_images_that_come_together() -> None:
    best = replace(FOUND, plan=Plan(2, whole=True))
    assert loading._for_one_process(best, ["openvino"]).plan == Plan(1)
    # unless the first of the order gave other answers
    refused = replace(FOUND, refused={"litert": "differs"})
    assert loading._for_one_process(refused, ["litert", "openvino"]).engine == "openvino"


def test_switched_off_all_is_plain(counted: list[str], tmp_path: Path) -> None:
    load(tuning=Tuning(tmp_path))
    assert load(tuning=Tuning(tmp_path, use=False)) == ("litert", PLAIN, {})
    assert load() == ("litert", PLAIN, {})


def test_a_folder_that_cannot_be_is_only_a_warning(counted, tmp_path: Path, caplog) -> None:
    (tmp_path / "file").touch()
    assert load(tuning=Tuning(tmp_path / "file" / "cache"))[0] == "openvino"
    assert [r for r in caplog.records if r.levelname == "WARNING" and "file/cache" in r.message]


def test_measuring_that_fails_leaves_the_plain_order(monkeypatch, tmp_path: Path, caplog) -> None:
    def fail(*args: object) -> None:
        raise EngineError("no luck")

    monkeypatch.setattr(speed_trials, "measure", fail)
    assert load(tuning=Tuning(tmp_path)) == ("litert", PLAIN, {})
    [line] = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert "no luck" in line


def test_a_measured_engine_that_refuses_is_followed_by_the_plain_order(
    counted, monkeypatch, tmp_path: Path
) -> None:
    def refuse(self: object, model: ModelFile) -> None:
        raise UnsupportedModel("no")

    monkeypatch.setattr(plugins.load("engines", "openvino").Engine, "__init__", refuse)
    assert load(tuning=Tuning(tmp_path)) == ("litert", PLAIN, {})


def test_an_engine_that_gave_other_answers_comes_last() -> None:
    best = replace(FOUND, engine="tensorflow", plan=PLAIN, refused={"openvino": "differs"})
    order = loading._order(["openvino", "tensorflow"], best)
    assert order == [("tensorflow", PLAIN), ("openvino", PLAIN)]


def test_nothing_is_tried_where_there_is_nothing_to_choose(counted, tmp_path: Path) -> None:
    engine = load_engine(card(engine="fake", tuning=Tuning(tmp_path)), classes=3, batch=8)
    assert engine.plan == PLAIN and not counted and not list(tmp_path.glob("*.json"))


def test_what_was_measured_is_found_without_loading(counted, tmp_path: Path) -> None:
    tuned = card(tuning=Tuning(tmp_path))
    assert find_measured(tuned, 8) is None
    load(tuning=Tuning(tmp_path))
    assert find_measured(tuned, 8) == replace(find_measured(tuned, 8), engine="openvino")
    assert find_measured(card(), 8) is None


def test_openvino_keeps_compiled_models_in_the_same_folder(tmp_path: Path) -> None:
    off = Tuning(tmp_path / "all", use=False)
    load(engine="openvino", tuning=off)
    assert list((tmp_path / "all").glob("*.blob"))
    load(engine="openvino", tuning=off, cache=tmp_path / "own")
    assert list((tmp_path / "own").glob("*.blob"))


def test_a_process_that_never_measures_does_not_load_the_code_for_it() -> None:
    code = (
        "import sys, workers.image_classification; "
        "print('scai.recognition.speed_trials' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
