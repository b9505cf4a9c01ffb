"""Scales, bars and lines of the status page's charts."""

from scai.monitoring import charts


def test_scales_end_at_round_numbers_with_round_halves() -> None:
    tops = [charts.top_of_scale(value, 4) for value in (0, 4, 5, 9, 11, 30, 99, 100, 1234)]
    assert tops == [4, 4, 6, 10, 20, 40, 100, 100, 2000]
    assert charts.top_of_scale(float("inf")) == 1


def test_a_line_is_broken_where_there_is_nothing_and_a_point_alone_is_seen() -> None:
    path = charts.line([10, None, 10, 0, None, 5], 10)
    assert path == "M0.5 0.0h0M2.5 0.0L3.5 100.0M5.5 50.0h0"


def test_bars_stand_on_others() -> None:
    assert charts.bars([0, 5], 10, under=[0, 5]) == "M1.14 50.0V0.0h0.72V50.0z"
    assert charts.bars([0, 0], 10) == ""
