"""Ages and sizes as people read them."""

from __future__ import annotations

import pytest

from scai.monitoring.units import human_age, human_bytes


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
        (312_400, "312 kB"),
        (1_440_000, "1.4 MB"),
        (2_700_000_000, "2.7 GB"),
        (5 * 10**12, "5000 GB"),
    ],
)
def test_a_size_has_the_unit_that_a_person_would_choose(count: int, text: str) -> None:
    assert human_bytes(count) == text
