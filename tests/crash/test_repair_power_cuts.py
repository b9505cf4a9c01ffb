"""A power cut in the middle of a repair, with any legal loss: the next repair ends it."""

from __future__ import annotations

import random
import shutil
from itertools import count
from pathlib import Path

import pytest
from support.damage import Damaged, assert_right, look
from support.power_cut.recorder import Recorder
from support.power_cut.states import states

pytestmark = pytest.mark.slow

# States that are tried of one code; others are drawn by lot.
_MOST = 60
CODES = [
    *("abandoned", "lost", "double", "has_verdict", "wrong_queue", "damaged", "no_record"),
    *("no_session", "stray", "debris"),
]


@pytest.mark.parametrize("code", CODES)
def test_a_repair_that_the_power_cuts_is_ended_by_the_next(tmp_path: Path, code: str) -> None:
    broken = Damaged(tmp_path / "place")
    broken.place.policy = "always"
    with Recorder(broken.place.root.parent) as recorder:
        assert code in {each.code for each in look(broken.place, broken.now, act=True, only=code)}
    numbers = count()
    cuts = list(states(recorder.start, recorder.changes))
    draw = random.Random(code)
    for cut in cuts if len(cuts) <= _MOST else draw.sample(cuts, _MOST):
        folder = tmp_path / f"after-{next(numbers)}"
        cut.tree.build(folder)
        after = broken.at(folder)
        look(after.place, broken.now, act=True)
        assert_right(after)
        shutil.rmtree(folder)
