"""Engines that measure themselves: every plan says the same, and the fastest is found once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from engine_makers import DIGITS, PLANS, ROOT, acted, opened, openvino_model

from scai import choose, measured, plugins, tuning
from scai.cards import CLASSIFICATION, ModelCard, Tuning
from scai.choose import find_measured, load_engine
from scai.engines.base import PLAIN, ROOM, ModelFile, Plan, TensorSpec, example, lane_plans
from scai.errors import EngineError, UnsupportedModel
from scai.measured import Measured
from scai.measuring import check_same, matching
from scai.settings import Settings
from scai.tuning import Pictures, Trial
from workers._main import tuning_of

TFLITE = DIGITS / "digits.tflite"
OTHERS = [Plan(1), Plan(2), Plan(2, whole=True), Plan(3, whole=True)]
FOUND = Measured("openvino", Plan(2), 8, 200.0, 250.0, "litert", 180.0, 190.0, {"tensorflow": "no"})


def card(**values: object) -> ModelCard:
    return ModelCard(CLASSIFICATION, Path("m.config"), "m", **{"graph": TFLITE, **values})


# -- plans ------------------------------------------------------------------------------------


def agree(name: str, model: ModelFile, plan: Plan) -> None:
    with opened(name, model) as plain, opened(name, replace(model, plan=plan)) as other:
        assert other.plan == plan and (plan == PLAIN or str(plan) in other.describe())
        for images in (1, 2, 3, 8, 9, 1):
            batch = example(plain.input, images)
            for got, want in zip(other.infer(batch), plain.infer(batch), strict=True):
                assert got.dtype == want.dtype and got.shape == want.shape
                assert np.allclose(got, want, atol=1e-3)


@pytest.mark.parametrize("plan", OTHERS, ids=str)
@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_every_plan_says_what_the_plain_one_says(name: str, plan: Plan) -> None:
    agree(name, ModelFile(TFLITE, batch=8), plan)


@pytest.mark.parametrize("plan", OTHERS, ids=str)
def test_every_plan_runs_a_frozen_batch(plan: Plan) -> None:
    agree("openvino", ModelFile(openvino_model(), batch=8), plan)


@pytest.mark.slow
@pytest.mark.parametrize("plan", OTHERS, ids=str)
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("openvino", tiny_models.saved_model),
        ("openvino", tiny_models.frozen),
        ("openvino", tiny_models.detector),
        ("litert", tiny_models.tflite_int8),
    ],
)
def test_every_plan_runs_every_kind_of_file(name: str, make, plan: Plan) -> None:
    agree(name, ModelFile(make(), batch=8), plan)


@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_a_lane_is_enough_for_single_images(name: str) -> None:
    agree(name, ModelFile(TFLITE, batch=1), Plan(2))


@pytest.mark.parametrize("name", ["litert", "openvino"])
def test_an_engine_closes_at_any_moment(name: str) -> None:
    engine = plugins.load("engines", name).Engine(ModelFile(TFLITE, batch=8, plan=Plan(2)))
    batch = example(engine.input, 8)
    expected = engine.infer(batch)[0]
    ends: list[object] = []

    def work() -> None:
        try:
            while True:
                assert np.array_equal(engine.infer(batch)[0], expected)
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    engine.close()
    engine.close()
    thread.join()
    assert isinstance(ends[0], EngineError) and "closed" in str(ends[0])


def test_a_large_model_is_not_held_twice(tmp_path: Path) -> None:
    large = tmp_path / "large.tflite"
    with large.open("wb") as file:
        file.truncate(ROOM)
    for name, left in (("openvino", [Plan(1), Plan(4), Plan(2)]), ("litert", [Plan(1)])):
        plans = plugins.load("engines", name).plans
        assert plans(ModelFile(large, threads=4, batch=8)) == left
        assert Plan(4, True) in plans(ModelFile(TFLITE, threads=4, batch=8))


def test_there_are_no_more_lanes_than_threads_or_images() -> None:
    def lanes(threads: int, batch: int) -> set[int]:
        found = lane_plans(ModelFile(TFLITE, batch=batch), threads, lambda plan: 1)
        return {plan.lanes for plan in found}

    assert lanes(1, 8) == {1}
    assert lanes(2, 8) == {1, 2}
    assert lanes(16, 8) == {1, 4, 8, 16}
    assert lanes(4, 1) == {1, 4}


# -- what is kept -----------------------------------------------------------------------------


def test_a_measurement_comes_back_as_it_was(tmp_path: Path) -> None:
    measured.write(tmp_path / "new", "k", FOUND)
    assert measured.read(tmp_path / "new", "k", 8) == FOUND
    assert measured.read(tmp_path / "new", "other", 8) is None
    assert measured.read(tmp_path / "new", "k", 4) is None
    assert measured.read(tmp_path / "new", "k", 1, any_batch=True) == FOUND


def change_the_file(monkeypatch, model: ModelFile) -> ModelFile:
    model.path.write_bytes(model.path.read_bytes() + b"\0")
    return model


def change_the_release(monkeypatch, model: ModelFile) -> ModelFile:
    monkeypatch.setattr(plugins.load("engines", "litert"), "version", lambda: "99.0")
    return model


def change_the_processor(monkeypatch, model: ModelFile) -> ModelFile:
    monkeypatch.setattr(measured, "processor", lambda: "another one")
    return model


def change_the_cores(monkeypatch, model: ModelFile) -> ModelFile:
    monkeypatch.setattr(measured, "cores", lambda: 97)
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
    before = measured.key(model, ["litert"])
    assert before == measured.key(model, ["litert"])
    assert before != measured.key(model, ["litert", "openvino"])
    assert before != measured.key(change(monkeypatch, model), ["litert"])


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
    assert measured.read(tmp_path, "k", 8) is None


# -- which is the best ------------------------------------------------------------------------

SLOW, SAME_SPEED, FAST = [4.0] * 6, [3.9] * 6, [2.0] * 6


def trial(engine: str, plan: Plan, single: list[float], many: list[float], refused: str = ""):
    return Trial(engine, plan, single, many, refused)


CHOICES = [
    # clearly faster
    ([trial("litert", Plan(2), FAST, FAST)], "litert", Plan(2)),
    # as fast: the plain one stays
    ([trial("litert", Plan(2), SAME_SPEED, SAME_SPEED)], "litert", PLAIN),
    # fast in batches, slow alone
    ([trial("litert", Plan(2), [6.0] * 6, [1.0] * 6)], "litert", PLAIN),
    # fast, and a liar
    ([trial("litert", Plan(2), FAST, FAST, "lies")], "litert", PLAIN),
    # put aside after the least rounds
    ([trial("litert", Plan(2), FAST[:3], FAST[:3], "slower")], "litert", PLAIN),
    # lucky in half of the rounds
    ([trial("litert", Plan(2), [1.0, 5.0] * 3, [1.0, 5.0] * 3)], "litert", PLAIN),
    # another engine
    ([trial("openvino", PLAIN, FAST, FAST)], "openvino", PLAIN),
    # another engine, no better than the best plan of the first
    (
        [trial("litert", Plan(2), FAST, FAST), trial("openvino", PLAIN, [1.95] * 6, FAST)],
        "litert",
        Plan(2),
    ),
]


def test_a_plain_plan_that_is_only_disturbed_stays() -> None:
    """Two threads wait for one another where others are busy; one thread does not."""
    plain = trial("litert", PLAIN, [8.0, 8.0, 8.0, 2.0], [4.0] * 4)
    lanes = trial("litert", Plan(2), [4.0] * 4, [3.0] * 4)
    assert tuning.choose([plain, lanes], ["litert"], 8).plan == PLAIN


@pytest.mark.parametrize(("others", "engine", "plan"), CHOICES)
def test_only_what_is_clearly_faster_is_taken(others, engine: str, plan: Plan) -> None:
    plain = trial("litert", PLAIN, SLOW, SLOW)
    best = tuning.choose([*others, plain], ["litert", "openvino"], 8)
    assert (best.engine, best.plan, best.plain_engine) == (engine, plan, "litert")
    assert best.plain_single == 1 / 4


def test_an_engine_that_disagrees_is_named_and_the_other_taken() -> None:
    done = [
        trial("openvino", PLAIN, [], [], "its answers differ"),
        trial("openvino", Plan(2), FAST, FAST, "its plain plan is not taken either"),
        trial("tensorflow", PLAIN, SLOW, SLOW),
    ]
    best = tuning.choose(done, ["openvino", "tensorflow"], 8)
    assert (best.engine, best.refused) == ("tensorflow", {"openvino": "its answers differ"})
    with pytest.raises(EngineError, match="differ"):
        tuning.choose(done[:2], ["openvino"], 8)


def test_an_engine_that_costs_much_has_to_be_worth_it() -> None:
    plain = trial("openvino", PLAIN, SLOW, SLOW)
    little, much = [3.5] * 6, [3.0] * 6
    for times, engine in ((little, "openvino"), (much, "tensorflow")):
        heavy = trial("tensorflow", PLAIN, times, times)
        assert tuning.choose([heavy, plain], ["openvino", "tensorflow"], 8).engine == engine


def test_answers_agree_to_a_thousandth() -> None:
    want = [np.array([[0.5, 0.2]], np.float32)]
    check_same([want[0] + np.float32(5e-4)], want, "tensorflow")
    with pytest.raises(EngineError, match="differ from those of tensorflow by up to 0.01"):
        check_same([want[0] + np.float32(1e-2)], want, "tensorflow")
    with pytest.raises(EngineError, match="outputs"):
        check_same([want[0][0]], want, "tensorflow")
    with pytest.raises(EngineError, match="outputs"):
        check_same([], want, "tensorflow")


def test_outputs_are_compared_by_name_where_names_tell_them_apart() -> None:
    def specs(*names: str) -> list[TensorSpec]:
        return [TensorSpec(name, (None,), "float32") for name in names]

    assert matching(specs("a", "b:0", "c"), specs("c", "a", "b")) == [2, 0, 1]
    assert matching(specs("x:1", "x", "x:2"), specs("x", "x:1", "x:2")) == [1, 0, 2]
    assert matching(specs("a", "a"), specs("a", "a")) == [0, 1]
    assert matching(specs("p", "q"), specs("a", "b")) == [0, 1]


# -- the trial --------------------------------------------------------------------------------


def test_plans_that_lie_or_crash_are_not_taken() -> None:
    model = ModelFile(Path("."), batch=4)
    todo = [Trial("fake", plan) for plan in [PLAIN, *PLANS]]
    best = tuning.measure(model, ["fake"], todo, Pictures(), acted())
    assert (best.engine, best.plan, best.batch) == ("fake", PLANS[-1], 4)
    assert best.refused == {}


def test_when_every_plan_crashes_it_says_so() -> None:
    todo = [Trial("fake", PLAIN)]
    command = acted("engine_makers.BEHAVIOUR[0] = 'ends the process'")
    with pytest.raises(EngineError, match="ended the process: exit status 3"):
        tuning.measure(ModelFile(Path("."), batch=4), ["fake"], todo, Pictures(), command)


def test_when_every_plan_refuses_it_says_so() -> None:
    todo = [Trial("fake", PLAIN)]
    command = acted("engine_makers.BEHAVIOUR[0] = 'refuses'")
    with pytest.raises(EngineError, match="fake: it has a bad day"):
        tuning.measure(ModelFile(Path("."), batch=4), ["fake"], todo, Pictures(), command)


def test_a_process_that_cannot_begin_is_an_engine_error() -> None:
    todo = [Trial("fake", PLAIN)]
    with pytest.raises(EngineError, match="could not begin: exit status 5"):
        command = acted("raise SystemExit(5)")
        tuning.measure(ModelFile(Path("."), batch=4), ["fake"], todo, Pictures(), command)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "engines", "reference"),
    [
        (lambda: TFLITE, ["litert", "openvino"], "litert"),
        (lambda: DIGITS / "digits.pb", ["openvino", "tensorflow"], "tensorflow"),
        # outputs in another order
        (tiny_models.detector, ["openvino", "tensorflow"], "tensorflow"),
    ],
)
def test_real_engines_agree_and_one_is_taken(make, engines: list[str], reference: str) -> None:
    model = ModelFile(make(), batch=2)
    todo = tuning.trials(model, engines, reference)
    assert (todo[0].engine, todo[0].plan) == (reference, PLAIN)
    best = tuning.measure(model, engines, todo, Pictures())
    assert best.refused == {} and best.engine in engines and best.plain_engine == engines[0]


# -- loading ----------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """Measuring that costs nothing: the engines that it was asked about."""
    asked: list[str] = []

    def measure(model: ModelFile, engines, todo, pictures) -> Measured:
        asked.append(" ".join(engines))
        return replace(FOUND, batch=max(1, model.batch), refused={})

    monkeypatch.setattr(tuning, "measure", measure)
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
    assert choose._for_one_process(best, ["openvino"]).plan == Plan(1)
    # unless the first of the order gave other answers
    refused = replace(FOUND, refused={"litert": "differs"})
    assert choose._for_one_process(refused, ["litert", "openvino"]).engine == "openvino"


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

    monkeypatch.setattr(tuning, "measure", fail)
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
    order = choose._order(["openvino", "tensorflow"], best)
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
    code = "import sys, workers.image_classification; print('scai.tuning' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
