"""Writing sections into the ini files: one changes, every other byte stays."""

from __future__ import annotations

import pytest

from scai.errors import ConfigError
from tools.models import sections

TEXTS = [
    b"",  # nothing at all
    b"\n",
    b"# heading\n[a]\nGRAPH = x\n",  # a heading right above the first section
    b"[a]\nGRAPH = x",  # no newline at the end
    b"[a]\r\nGRAPH = x\r\n\r\n; about b\r\n[b]\r\nUSE=a\r\n",  # from Windows
    b"\xef\xbb\xbf[a]\nGRAPH = x\n\n\n# the end\n\n",  # a byte order mark, remarks at the end
]


@pytest.mark.parametrize("text", TEXTS)
def test_adding_and_dropping_a_section_leaves_every_byte(text: bytes) -> None:
    more = sections.put(text, "new", {"GRAPH": "m/x"}, ["A model."], "t")
    assert more.startswith(text) and sections.parse(more, "t")["new"] == {"graph": "m/x"}
    assert sections.drop(more, "new", "t") == text


def test_a_section_in_the_middle_goes_with_its_own_comments_only() -> None:
    text = b"# file\n\n# a's\n[a]\nX = 1\n# of X\n\n# nobody's\n\n# b's\n[b]\nX = 2\n"
    assert sections.drop(text, "a", "t") == b"# file\n\n# nobody's\n\n# b's\n[b]\nX = 2\n"


def test_a_section_is_replaced_where_it_stands() -> None:
    text = b"[a]\nX = 1\n\n[b]\nX = 2\n"
    new = sections.put(text, "a", {"Y": "3"}, [], "t")
    assert new == b"[a]\nY = 3\n\n[b]\nX = 2\n"


def test_default_is_pointed_elsewhere_by_one_word() -> None:
    text = b"[default]\n# why\nuse =  a  \n[a]\nX = 1\n"
    assert sections.point_default(text, "b", "t") == text.replace(b"  a  ", b"  b  ")
    with pytest.raises(ConfigError, match="is a model itself"):
        sections.point_default(b"[default]\nGRAPH = x\n", "b", "t")


def test_a_text_that_cannot_be_cut_by_lines_is_refused() -> None:
    with pytest.raises(ConfigError, match="change it by hand"):
        sections.drop(b"[a]\n [b]\nX = 1\n", "a", "t")
