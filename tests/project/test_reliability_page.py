"""docs/reliability.md names a test for each promise, and each of them exists."""

from __future__ import annotations

import re

from scai.settings import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [row for row in re.findall(r"^\| (.*) \|$", PAGE, re.MULTILINE) if "---" not in row]


def test_every_promise_names_a_test_that_exists() -> None:
    rows = [row for row in ROWS if not row.startswith("promise |")]
    assert len(rows) > 40
    for row in rows:
        named = re.findall(r"`(\w+/test_\w+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            text = (ROOT / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"\b{test}\b", text), f"{file} has no {test}"
