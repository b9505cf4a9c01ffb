"""Tables and results as people read them on a terminal."""

from __future__ import annotations

from scai.cli.submit import result_text
from scai.cli.text import table


def test_a_table_aligns_words_to_the_left_and_figures_to_the_right() -> None:
    rows = [["queue", "waiting"], ["a", "7"], ["longer", "1234"]]
    assert table(rows) == ["queue   waiting", "a             7", "longer     1234"]
    assert table(rows, right=(), indent=1) == [" queue   waiting", " a       7", " longer  1234"]
    assert table([]) == []


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
