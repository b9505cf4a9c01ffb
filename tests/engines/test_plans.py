"""Every way to run a model says what the plain one says."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import tiny_models
from support.engine_makers import DIGITS, open_engine, openvino_model

from scai import plugins
from scai.engines.base import MAX_COPIES_BYTES, PLAIN, ModelFile, Plan, example, lane_plans
from scai.errors import EngineError

TFLITE = DIGITS / "digits.tflite"
OTHERS = [Plan(1), Plan(2), Plan(2, whole=True), Plan(3, whole=True)]


def agree(name: str, model: ModelFile, plan: Plan) -> None:
    with open_engine(name, model) as plain, open_engine(name, replace(model, plan=plan)) as other:
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
        file.truncate(MAX_COPIES_BYTES)
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
