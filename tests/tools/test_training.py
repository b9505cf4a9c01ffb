"""The training loop that all commands share: schedule, validation, early stopping, resuming."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click
import numpy as np
import pytest

from tools.training import checkpoint
from tools.training.curve import LearningCurve
from tools.training.loop import Training
from tools.training.prefetch import Batch
from tools.training.schedule import Schedule
from tools.training.validation import Validation


class Counter:
    """A learner whose only weight is the sum of its batches; a step takes a second."""

    def __init__(self) -> None:
        self.total, self.best = np.zeros(1), np.zeros(1)
        self.rates: list[float] = []

    def step(self, batch: Batch, rate: float, step: int, progress: float) -> float:
        self.total = self.total + batch[0]
        self.rates.append(rate)
        return 1.0

    def averaged(self) -> AbstractContextManager[None]:
        return nullcontext()

    def remember(self) -> None:
        self.best = self.total.copy()

    def finish(self) -> None:
        pass

    def arrays(self) -> list[np.ndarray]:
        return [self.total, self.best]

    def restore(self, arrays: Sequence[np.ndarray]) -> None:
        self.total, self.best = arrays

    def clock(self) -> float:
        return float(len(self.rates))


def one_number(rng: np.random.Generator, step: int) -> Batch:
    return (rng.normal(size=1) + step,)


def training(
    learner: Counter,
    schedule: Schedule,
    values: Sequence[float] = (),
    patience: int = 0,
    say: Callable[[str], object] = print,
    **more: object,
) -> Training:
    """A training whose validations give `values`, one after the other, and then 0."""
    rest = iter(values)
    validation = Validation(
        lambda: {"accuracy": next(rest, 0.0)}, "accuracy", patience=patience, keep_best=True
    )
    return Training(learner, one_number, schedule, validation, say=say, clock=learner.clock, **more)


def test_the_rate_rises_and_falls_along_a_cosine() -> None:
    schedule = Schedule(rate=2.0, steps=110, warm_up_steps=10)
    assert schedule.rate_at(0) == pytest.approx(0.2)
    assert schedule.rate_at(9) == schedule.rate_at(10) == pytest.approx(2.0)
    assert schedule.rate_at(60) == pytest.approx(1.0)
    assert schedule.rate_at(110) == pytest.approx(0.0)


def test_the_rate_follows_the_clock_in_straight_lines() -> None:
    schedule = Schedule(
        rate=1.0, minutes=1.0, warm_up_share=0.25, first=0.2, last=0.1, fall="linear"
    )
    rates = [schedule.rate_at(1, seconds) for seconds in (0, 15, 37.5, 60, 90)]
    assert rates == pytest.approx([0.2, 1.0, 0.55, 0.1, 0.1])


def test_a_schedule_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="expected steps or minutes"):
        Schedule(rate=1.0)


def test_validation_is_due_every_tenth_of_the_training_and_at_its_end() -> None:
    validation = Validation(dict, "accuracy")
    assert validation.due(1, 0.0, 0.11) and not validation.due(1, 0.0, 0.01)
    assert not validation.due(1, 0.3, 0.31) and validation.due(1, 0.3, 0.4)
    assert validation.due(1, 0.91, 1.0)
    progress, before, count = [i / 1000 for i in range(1, 1001)], 0.0, 0
    for now in progress:
        if validation.due(1, before, now):
            before, count = now, count + 1
    assert count == 10


def test_validation_waits_for_the_next_update_of_the_mean() -> None:
    validation = Validation(dict, "accuracy", every=0.04, steps=5)
    assert [step for step in range(1, 21) if validation.due(step, 0.0, step / 20)] == [
        5,
        10,
        15,
        20,
    ]
    assert validation.due(13, 0.5, 1.0)


def curve(*values: float, earlier: int = 0) -> LearningCurve:
    return LearningCurve(
        evaluations=[{"step": i, "accuracy": v} for i, v in enumerate(values)], earlier=earlier
    )


@pytest.mark.parametrize(
    ("values", "earlier", "over"),
    [
        # too few measurements
        ((0.5, 0.4), 0, False),
        # two in a row below the best
        ((0.1, 0.5, 0.4, 0.3), 0, True),
        # the last one is as good as the best
        ((0.1, 0.5, 0.4, 0.5), 0, False),
        # nothing is learned yet
        ((0.0, 0.0, 0.0, 0.0), 0, False),
        # the best one belongs to an earlier run
        ((0.9, 0.5, 0.4, 0.6), 1, False),
        ((0.9, 0.6, 0.4, 0.5), 1, True),
    ],
)
def test_a_training_is_exhausted_when_it_stays_below_the_best_of_its_run(
    values: tuple[float, ...], earlier: int, over: bool
) -> None:
    assert (
        Validation(dict, "accuracy", patience=2).exhausted(curve(*values, earlier=earlier)) == over
    )


def test_the_lower_loss_is_the_better_one() -> None:
    validation = Validation(dict, "accuracy", lower_is_better=True, patience=2)
    assert validation.exhausted(curve(0.4, 0.1, 0.2, 0.3))
    assert validation.last_is_best(curve(0.4, 0.1)) and not validation.last_is_best(curve(0.1, 0.4))


def test_a_training_stops_early_and_remembers_the_best_weights() -> None:
    learner, lines = Counter(), list[str]()
    state = training(
        learner, Schedule(rate=1.0, steps=40), (0.1, 0.8, 0.3, 0.2), 2, lines.append
    ).run()
    assert state.step == 16 and [e["step"] for e in state.curve.evaluations] == [4, 8, 12, 16]
    assert learner.best != learner.total
    assert lines[-1] == "accuracy no longer improves: stopped at step 16."
    assert lines[0] == "step 4: accuracy 0.1"
    assert state.curve.step[-1] == 16 and state.curve.loss[-1] == 1.0


def test_a_training_by_the_clock_ends_with_the_clock() -> None:
    learner, lines = Counter(), list[str]()
    state = training(learner, Schedule(rate=1.0, minutes=0.5), (0.5,), say=lines.append).run()
    assert state.step == 30 and state.seconds == 30.0
    assert "10 steps  loss 1.0000  accuracy 0.000  20 s left" in lines


class Interrupted(Training):
    """A training that gets Ctrl-C after its seventh step."""

    def step(self, batch: Batch) -> None:
        super().step(batch)
        if self.state.step == 7:
            raise KeyboardInterrupt


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path) -> None:
    # Given a training that is stopped, and the same one undisturbed
    schedule, path = Schedule(rate=1.0, steps=20, warm_up_steps=3, seed=5), tmp_path / "state.npz"
    whole, first, second = Counter(), Counter(), Counter()
    expected = training(whole, schedule, path=tmp_path / "whole.npz", options="--steps 20").run()
    with pytest.raises(click.ClickException, match="--resume goes on from"):
        Interrupted(
            first, one_number, schedule, path=path, options="--steps 20", clock=first.clock
        ).run()
    # When it is resumed
    state = training(second, schedule, path=path, options="--steps 20", resume=True).run()
    # Then it ends with the same weights, rates, time and number of steps
    np.testing.assert_array_equal(second.total, whole.total)
    assert first.rates + second.rates == whole.rates
    assert (state.step, state.seconds, state.runs) == (20, expected.seconds, ["--steps 20"])


def test_a_finished_training_goes_on_for_longer_as_another_run(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    short, long = Schedule(rate=1.0, steps=10), Schedule(rate=1.0, steps=20)
    training(Counter(), short, (0.9, 0.8), path=path, options="--steps 10").run()
    again = training(Counter(), short, path=path, options="--steps 10", resume=True).run()
    assert again.step == 10 and len(again.curve.evaluations) == 10
    state = training(Counter(), long, path=path, options="--steps 20", resume=True).run()
    assert state.runs == ["--steps 10", "--steps 20"] and state.curve.earlier == 10
    assert [e["step"] for e in state.curve.evaluations[10:]] == [12, 14, 16, 18, 20]


def test_a_checkpoint_of_something_else_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(click.ClickException, match="expected a checkpoint of this version"):
        checkpoint.load(path)
    checkpoint.save(path, checkpoint.State(step=3, runs=["a"]), [np.arange(3)])
    state, arrays = checkpoint.load(path)
    assert state == checkpoint.State(step=3, runs=["a"]) and arrays[0].tolist() == [0, 1, 2]


def test_what_a_batch_raises_ends_the_training() -> None:
    def broken(rng: np.random.Generator, step: int) -> Batch:
        raise OSError(f"no picture {step}")

    with pytest.raises(OSError, match="no picture 0"):
        Training(Counter(), broken, Schedule(rate=1.0, steps=3)).run()


@pytest.mark.slow
def test_a_keras_model_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    import tensorflow as tf

    from tools.train_detector.model import Norm
    from tools.training.keras_learner import KerasLearner, adam

    def learn(name: str, kind: type[Training] = Training, resume: bool = False) -> list[np.ndarray]:
        tf.keras.utils.set_random_seed(0)
        pixels = tf.keras.Input((4, 4, 3))
        model = tf.keras.Model(pixels, tf.keras.layers.Conv2D(2, 3)(Norm()(pixels)))
        loss = lambda output, batch: tf.reduce_mean(tf.square(output - batch[1]))  # noqa: E731
        validation = Validation(
            lambda: {"size": float(abs(model.get_weights()[0]).sum())}, "size", keep_best=True
        )
        kind(
            KerasLearner(model, loss, adam(), keep_best=True),
            lambda rng, step: (
                rng.normal(size=(2, 4, 4, 3)).astype(np.float32),
                np.full((2, 2, 2, 2), step, np.float32),
            ),
            Schedule(rate=2e-3, steps=12, warm_up_steps=3, seed=5),
            validation,
            tmp_path / f"{name}.npz",
            "--steps 12",
            resume,
        ).run()
        return model.get_weights()

    with pytest.raises(click.ClickException, match="--resume goes on from"):
        learn("stopped", Interrupted)
    for one, other in zip(learn("stopped", resume=True), learn("whole"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
def test_the_averaged_weights_are_lent_and_exported() -> None:
    import tensorflow as tf

    from tools.training.keras_learner import Averaging, KerasLearner

    pixels = tf.keras.Input((1,))
    dense = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = tf.keras.Model(pixels, dense(pixels))
    learner = KerasLearner(
        model,
        lambda output, batch: tf.reduce_sum(output),  # its slope is 1
        tf.keras.optimizers.SGD(),
        Averaging(lambda step, progress: 0.5, every=2),
    )
    one = np.ones((1, 1), np.float32)
    assert learner.step((one,), 0.1, 0, 0.0) == pytest.approx(1.0)
    learner.step((one,), 0.1, 1, 0.5)
    with learner.averaged():
        assert model.get_weights()[0] == pytest.approx(0.9)  # half 1, half 0.8
    assert model.get_weights()[0] == pytest.approx(0.8)
    learner.finish()
    assert model.get_weights()[0] == pytest.approx(0.9)
