"""Tables, sizes and ages as people read them on a terminal."""

from __future__ import annotations

import pytest

from scai.cli.submit import result_text
from scai.cli.text import human_age, human_bytes, table


def test_a_table_aligns_words_to_the_left_and_figures_to_the_right() -> None:
    rows = [["queue", "waiting"], ["a", "7"], ["longer", "1234"]]
    assert table(rows) == ["queue   waiting", "a             7", "longer     1234"]
    assert table(rows, right=(), indent=1) == [" queue   waiting", " a       7", " longer  1234"]
    assert table([]) == []


@pytest.mark.parametrize(
    "seconds, text",
    [(0.31, "0.3 s"), (12, "12 s"), (60, "1 min"), (119, "119 s"), (7200, "2 h"), (2e5, "2.31 d")],
)
def test_an_age_has_the_unit_that_a_person_would_choose(seconds: float, text: str) -> None:
    assert human_age(seconds) == text


@pytest.mark.parametrize(
    "count, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_440_000, "1.4 MB"),
        (5 * 10**12, "5000.0 GB"),
    ],
)
def test_a_size_has_the_unit_that_a_person_would_choose(count: int, text: str) -> None:
    assert human_bytes(count) == text


def test_a_result_is_a_heading_and_a_row_for_each_prediction() -> None:
    box = {"x_min": 1.2, "y_min": 2, "x_max": 30, "y_max": 40}
    answer = {
        "photo": "a.jpg",
        "state": "complete",
        "model": "digits",
        "engine": "fake",
        "predictions": [{"label": "3", "score": 0.5}, {"label": "cat", "score": 1, "box": box}],
        "saved": "o.png",
    }
    heading, bar, boxed, saved = result_text(answer).splitlines()
    assert heading == "a.jpg  (digits on fake)"
    assert bar.split() == ["3", "50.0%", "#" * 15]
    assert boxed.split(maxsplit=2) == ["cat", "100.0%", "[1, 2, 30, 40]"]
    assert bar.index("%") == boxed.index("%")
    assert saved == "  annotated picture: o.png"
    assert result_text({**answer, "predictions": []}).splitlines()[1] == "  nothing found"


def test_a_photo_without_predictions_says_how_far_it_is() -> None:
    sent = {"photo": "a.jpg", "task": "d-1", "key": "k"}
    assert result_text(sent) == "a.jpg: accepted as d-1, key k"
    assert result_text({**sent, "state": "failure", "message": "no picture"}) == "a.jpg: no picture"
