"""Speed trials pick the fastest engine and plan that give the right answers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support import tiny_models
from support.engine_makers import DIGITS, PLANS, acted

from scai.engines.base import PLAIN, ModelFile, Plan, TensorSpec
from scai.errors import EngineError
from scai.recognition import speed_trials
from scai.recognition.speed_trial_process import check_same, output_order
from scai.recognition.speed_trials import Comparison, SampleImages, Trial

TFLITE = DIGITS / "digits.tflite"
# Fewer rounds of timing, for plans that are far apart.
ENGINES = ["openvino", "litert"]
QUICKLY = "speed_trial_process.Effort(max_rounds=5)"


SLOW, SAME_SPEED, FAST = [4.0] * 6, [3.9] * 6, [2.0] * 6


def trial(engine: str, plan: Plan, single: list[float], many: list[float], refusal: str = ""):
    return Trial(engine, plan, single, many, refusal)


CASES = [
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


def test_a_comparison_says_how_many_times_faster_a_trial_is() -> None:
    default = trial("litert", PLAIN, [4.0, 4.0, 4.0, 2.0], [8.0] * 4)
    other = trial("litert", Plan(2), [2.0, 2.0, 8.0, 2.0], [2.0] * 4)
    found = speed_trials.compare(default, other, 8)
    assert found.medians == (1.5, 4.0)
    assert found.quietest == (1.0, 4.0)
    # Single images and batches count the same: rounds are 2.83, 2.83, 1.41 and 2 times faster.
    assert found.wins == 1.0
    assert found.overall == pytest.approx(math.sqrt((math.sqrt(8) + 2) / 2 * 2))


@pytest.mark.parametrize(
    ("wins", "medians", "quietest", "reliable"),
    [
        (2 / 3, (1.0, 1.0), (1.0, 1.0), True),
        (0.6, (2.0, 2.0), (2.0, 2.0), False),  # faster in too few rounds
        (1.0, (0.96, 2.0), (1.0, 1.0), True),
        (1.0, (0.95, 2.0), (1.0, 1.0), False),  # single images are too slow
        (1.0, (2.0, 0.95), (1.0, 1.0), False),  # batches are too slow
        (1.0, (2.0, 2.0), (0.88, 1.0), True),
        (1.0, (2.0, 2.0), (0.86, 1.0), False),  # too slow when nothing disturbs
    ],
)
def test_a_reliable_trial_is_slow_nowhere(wins, medians, quietest, reliable: bool) -> None:
    assert Comparison(2.0, wins, medians, quietest).is_reliable is reliable


def test_the_reference_is_tried_first_then_all_plans_by_engine() -> None:
    trials = speed_trials.list_trials(ModelFile(TFLITE, threads=2, batch=1), ENGINES, "litert")
    assert [(t.engine, t.plan) for t in trials] == [
        ("litert", PLAIN),
        ("openvino", PLAIN),
        ("openvino", Plan(1)),
        ("openvino", Plan(2)),
        ("litert", Plan(1)),
        ("litert", Plan(2)),
    ]


def test_a_default_plan_that_is_only_disturbed_stays() -> None:
    """Two threads wait for one another where others are busy; one thread does not."""
    plain = trial("litert", PLAIN, [8.0, 8.0, 8.0, 2.0], [4.0] * 4)
    lanes = trial("litert", Plan(2), [4.0] * 4, [3.0] * 4)
    assert speed_trials.pick_fastest([plain, lanes], ["litert"], 8).plan == PLAIN


@pytest.mark.parametrize(("others", "engine", "plan"), CASES)
def test_only_a_clearly_faster_plan_replaces_the_default(others, engine: str, plan: Plan) -> None:
    plain = trial("litert", PLAIN, SLOW, SLOW)
    best = speed_trials.pick_fastest([*others, plain], ["litert", "openvino"], 8)
    assert (best.engine, best.plan, best.plain_engine) == (engine, plan, "litert")
    assert best.plain_single == 1 / 4


def test_an_engine_that_disagrees_is_refused() -> None:
    done = [
        trial("openvino", PLAIN, [], [], "its answers differ"),
        trial("openvino", Plan(2), FAST, FAST, "its default plan cannot be used either"),
        trial("tensorflow", PLAIN, SLOW, SLOW),
    ]
    best = speed_trials.pick_fastest(done, ["openvino", "tensorflow"], 8)
    assert (best.engine, best.refusals) == ("tensorflow", {"openvino": "its answers differ"})
    with pytest.raises(EngineError, match="differ"):
        speed_trials.pick_fastest(done[:2], ["openvino"], 8)


def test_an_engine_that_costs_much_has_to_be_worth_it() -> None:
    plain = trial("openvino", PLAIN, SLOW, SLOW)
    little, much = [3.5] * 6, [3.0] * 6
    for times, engine in ((little, "openvino"), (much, "tensorflow")):
        heavy = trial("tensorflow", PLAIN, times, times)
        assert (
            speed_trials.pick_fastest([heavy, plain], ["openvino", "tensorflow"], 8).engine
            == engine
        )


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

    assert output_order(specs("a", "b:0", "c"), specs("c", "a", "b")) == [2, 0, 1]
    assert output_order(specs("x:1", "x", "x:2"), specs("x", "x:1", "x:2")) == [1, 0, 2]
    assert output_order(specs("a", "a"), specs("a", "a")) == [0, 1]
    assert output_order(specs("p", "q"), specs("a", "b")) == [0, 1]


@pytest.mark.slow
def test_plans_that_lie_or_crash_are_not_used() -> None:
    model = ModelFile(Path("."), batch=4)
    trials = [Trial("fake", plan) for plan in [PLAIN, *PLANS]]
    best = speed_trials.find_fastest(model, ["fake"], trials, SampleImages(), acted(effort=QUICKLY))
    assert (best.engine, best.plan, best.batch) == ("fake", PLANS[-1], 4)
    assert best.refusals == {}


def test_when_every_plan_crashes_it_says_so() -> None:
    trials = [Trial("fake", PLAIN)]
    command = acted("engine_makers.BEHAVIOUR[0] = 'ends the process'")
    with pytest.raises(EngineError, match="ended the process: exit status 3"):
        speed_trials.find_fastest(
            ModelFile(Path("."), batch=4), ["fake"], trials, SampleImages(), command
        )


def test_when_every_plan_refuses_it_says_so() -> None:
    trials = [Trial("fake", PLAIN)]
    command = acted("engine_makers.BEHAVIOUR[0] = 'refuses'")
    with pytest.raises(EngineError, match="fake: it has a bad day"):
        speed_trials.find_fastest(
            ModelFile(Path("."), batch=4), ["fake"], trials, SampleImages(), command
        )


def test_a_process_that_cannot_begin_is_an_engine_error() -> None:
    trials = [Trial("fake", PLAIN)]
    with pytest.raises(EngineError, match="could not begin: exit status 5"):
        command = acted("raise SystemExit(5)")
        speed_trials.find_fastest(
            ModelFile(Path("."), batch=4), ["fake"], trials, SampleImages(), command
        )


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
def test_real_engines_agree_and_one_is_picked(make, engines: list[str], reference: str) -> None:
    model = ModelFile(make(), batch=2)
    trials = speed_trials.list_trials(model, engines, reference)
    assert (trials[0].engine, trials[0].plan) == (reference, PLAIN)
    best = speed_trials.find_fastest(model, engines, trials, SampleImages())
    assert best.refusals == {} and best.engine in engines and best.plain_engine == engines[0]
