"""Scales, bars and lines of the status page's charts."""

import pytest
from support.svg import pieces

from scai.monitoring import charts


def test_scales_end_at_round_numbers_with_round_halves() -> None:
    tops = [charts.top_of_scale(value, 4) for value in (0, 4, 5, 9, 11, 30, 99, 100, 1234)]
    assert tops == [4, 4, 6, 10, 20, 40, 100, 100, 2000]
    assert charts.top_of_scale(float("inf")) == 1


def test_a_line_is_broken_where_there_is_nothing_and_a_point_alone_is_seen() -> None:
    alone, two, last = pieces(charts.line([10, None, 10, 0, None, 5], 10))
    assert alone == [(0.5, 0), (0.5, 0)]
    assert two == [(2.5, 0), (3.5, charts.HEIGHT)]
    assert last == [(5.5, charts.HEIGHT / 2), (5.5, charts.HEIGHT / 2)]


def test_bars_stand_on_others() -> None:
    [bar] = pieces(charts.bars([0, 5], 10, under=[0, 5]))
    left, right = min(x for x, _ in bar), max(x for x, _ in bar)
    assert (left + right) / 2 == pytest.approx(1.5)
    assert 0.5 < right - left < 1
    assert {y for _, y in bar} == {charts.HEIGHT / 2, 0}
    assert charts.bars([0, 0], 10) == ""
