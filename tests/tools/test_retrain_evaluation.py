"""`scai retrain`: evaluation, diagrams, and the training of the last layer."""

from pathlib import Path

import numpy as np
import pytest

from tools.common.progress import Progress
from tools.retrain import head
from tools.retrain.evaluation import precision_curve


@pytest.mark.parametrize(
    ("right", "average"),
    [
        ([True, True, False, False], 1.0),
        # found at places 1 and 3: precision 1 at the 51 recalls 0.00 to 0.50, 2/3 beyond
        ([True, False, True, False], (51 + 50 * 2 / 3) / 101),
        ([False, False, False, True], 0.25),
    ],
)
def test_average_precision_of_a_classifier_is_cocos(right: list[bool], average: float) -> None:
    curve = precision_curve(np.array([0.9, 0.8, 0.7, 0.1]), np.array(right))
    assert curve.shape == (101,) and curve.mean() == pytest.approx(average)


def test_pictures_of_the_same_score_are_one_step_of_the_curve() -> None:
    for right in ([True, False], [False, True]):
        assert precision_curve(np.array([0.5, 0.5]), np.array(right)).tolist() == [0.5] * 101


def noisy(rng: np.random.Generator, count: int, sure: float) -> tuple[np.ndarray, np.ndarray]:
    """Features that are right three times of four, and the labels."""
    labels = rng.integers(0, 3, count)
    choices = np.where(rng.random(count) < 0.75, labels, rng.integers(0, 3, count))
    return (sure * np.eye(3)[choices]).astype(np.float32), labels


def test_a_head_that_is_too_sure_is_calibrated() -> None:
    found = head.Head(np.eye(3, dtype=np.float32), np.zeros(3, np.float32))
    features, labels = noisy(np.random.default_rng(0), 2000, sure=6.0)
    cooler = head.calibrate(found, features, labels)
    answers = cooler.probabilities(features)
    right = (answers.argmax(1) == labels).mean()
    assert abs(answers.max(1).mean() - right) < 0.03
    assert (answers.argmax(1) == found.probabilities(features).argmax(1)).all()
    few = head.calibrate(found, features[:10], labels[:10])
    np.testing.assert_array_equal(few.weights, found.weights)


def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    labels = np.array([0, 0, 0, 1])
    weights = head.class_weights(labels, 2)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0])
    assert weights[labels].mean() == pytest.approx(1)
    assert head.class_weights(labels, 2, balanced=False).tolist() == [1, 1]


def test_training_stops_early_where_nothing_gets_better() -> None:
    rng = np.random.default_rng(0)
    features, labels = noisy(rng, 200, sure=1.0)
    settings = head.HeadSettings(steps=5000, patience=3)
    lines: list[str] = []
    check = noisy(rng, 100, sure=1.0)
    weights = np.ones(3, np.float32)
    _, curve = head.train([features], labels, check, weights, settings, lines.append)
    assert curve.evaluations[-1]["step"] < 5000 and "stopped at step" in lines[-1]


def test_progress_tells_the_time_left() -> None:
    lines: list[str] = []
    times = iter([0.0, 5.0, 12.0, 15.0, 30.0])
    progress = Progress(100, "pictures seen", say=lines.append, clock=lambda: next(times))
    for done in (10, 20, 25, 99):
        progress.tell(done, "loss 0.5" if done == 99 else "")
    assert lines == [
        "20/100 pictures seen  48 s left",
        "99/100 pictures seen  loss 0.5  0 s left",
    ]


def test_the_diagrams_are_drawn(tmp_path: Path) -> None:
    from scai.recognition.results import Classification
    from tools.datasets.samples import Sample
    from tools.evaluate import scores
    from tools.retrain import plots
    from tools.retrain.evaluation import Evaluation

    classes = ("cat", "dog", "never seen")
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1]], np.float32)
    truth = np.array([0, 1, 1])
    results = [
        Classification([classes[i] for i in order], order, row[order])
        for row in probabilities
        for order in [np.argsort(-row)]
    ]
    samples = [Sample(str(i), classes[t]) for i, t in enumerate(truth)]
    places = {name: i for i, name in enumerate(classes)}
    result = Evaluation(
        classes, truth, probabilities, scores.of_classifier(samples, results, classes, places)
    )
    plots.draw(tmp_path, "pets", result, {"loss": ([1, 2], [0.5, 0.4])})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("classes.png", "confusion.png", "curves.png", "pr.png", "reliability.png")
    ]
    metrics = result.metrics("test")
    assert metrics["accuracy (test)"] == pytest.approx(2 / 3, abs=1e-4)
    assert metrics["average precision of cat"] == 1.0
    assert (
        "recall of never seen" not in metrics and "average precision of never seen" not in metrics
    )
