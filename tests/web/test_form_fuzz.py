"""Forms of any shape: what is split and what is parsed are what Werkzeug's own parser reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.formparser import MultiPartParser

from scai.storage.memory_budget import MemoryBudget
from scai.storage.upload_spool import Spool
from scai.web.form_parser import FormLimits, parse
from scai.web.forms import split

# Field name, file name (None for a field) and content of each part.
Read = list[tuple[str, str | None, bytes]]

NEWLINES = st.sampled_from([b"\r\n", b"\n", b"\r", b"\n\r", b""])
BOUNDARIES = st.sampled_from(
    [b"b", b"--", b"b--", b"x" * 70, b"WebKitFormBoundary7MA4YWxk", b"a b"]
)
# Pieces that a careless parser takes for something else.
PIECES = st.sampled_from(
    [
        b"--",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"--b",
        b"\r\n--b",
        b"\r\n--b--",
        b"\r\n--bc",
        b"\0",
    ]
)
CONTENTS = st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=6).map(b"".join)
NAMES = st.one_of(
    st.sampled_from(["photo", "kind", "a.jpg", "", '\\"', "C:\\x\\y.jpg", "é.jpg", "%22", "a;b=c"]),
    st.text(st.characters(exclude_characters='"\r\n\\', codec="utf-8"), max_size=20),
)
EXTRA = st.sampled_from(
    [
        *[""] * 6,
        "\r\nContent-Type: image/jpeg",
        "\r\ncontent-type: text/plain; charset=iso-8859-1",
        "\r\nContent-Transfer-Encoding: base64",
        "\r\nX: y",
        "\r\n folded",
        "\r\nContent-Disposition: form-data; name=other",
        "\r\nno colon",
        "; filename*=UTF-8''x%C3%A9.jpg",
        "; filename=plain.jpg",
        "; name=again",
    ]
)


@st.composite
def heads(draw: Callable[..., str]) -> bytes:
    """The header lines of a part, as browsers write them or a little otherwise."""
    names = ["Content-Disposition"] * 6 + ["content-disposition", "X", " C"]
    disposition = draw(st.sampled_from(names))
    head = f'{disposition}: form-data; name="{draw(NAMES)}"'
    if draw(st.booleans()):
        head += f'; filename="{draw(NAMES)}"'
    return (head + draw(EXTRA)).encode("utf-8", "replace")


@st.composite
def forms(draw: Callable[..., bytes]) -> tuple[bytes, bytes]:
    """A body and its boundary: mostly a form, perhaps damaged at one place."""
    boundary: bytes = draw(BOUNDARIES)
    usual = draw(st.sampled_from([True, True, False]))
    line = b"\r\n"
    body = b"" if usual else draw(st.sampled_from([b"", b"preamble", b"\r\n", b"--"]))
    for _ in range(draw(st.integers(1, 3))):  # type: ignore[call-overload]
        end = line if usual else draw(NEWLINES)
        body += b"--" + boundary + end + draw(heads()) + end + end + draw(CONTENTS) + end
    body += b"--" + boundary + b"--" + (line if usual else draw(NEWLINES))
    if draw(st.sampled_from([True, True, False])):
        return body, boundary
    at = draw(st.integers(0, len(body)))
    cut: int = draw(st.integers(0, 4))  # type: ignore[assignment]
    return body[:at] + draw(CONTENTS) + body[at + cut :], boundary  # type: ignore[operator, index]


def of_werkzeug(body: bytes, boundary: bytes) -> Read | None:
    """What Werkzeug reads; None for no form."""
    parser = MultiPartParser(lambda **_: io.BytesIO())
    try:
        fields, files = parser.parse(io.BytesIO(body), boundary, len(body))
    except ValueError:
        return None
    first = {name: value for name, value in reversed(list(fields.items(multi=True)))}
    read: Read = [(name, None, value.encode("utf-8", "replace")) for name, value in first.items()]
    for name, file in files.items(multi=True):
        read.append((name, file.filename or "", file.stream.read()))
    return _sorted(read)


def of_ours(body: bytes, boundary: bytes, folder: Path) -> Read:
    """What the parser for every shape reads."""
    spools: list[Spool] = []

    def spool(_: str) -> Spool:
        spools.append(Spool(folder, 1_000_000))
        return spools[-1]

    limits, memory = FormLimits(None, None), MemoryBudget(1_000_000)
    form = parse(io.BytesIO(body), boundary, limits, memory, spool)
    read: Read = [
        (name, None, value.encode("utf-8", "replace")) for name, value in form.fields.items()
    ]
    for name, filename, file in form.files:
        assert isinstance(file.picture, bytes)
        read.append((name, filename or "", file.picture))
    return _sorted(read)


def of_split(body: bytes, boundary: bytes) -> Read | None:
    """What is read where a form is split; None for a form of another shape."""
    parts = split(body, boundary)
    if parts is None:
        return None
    fields: dict[str, bytes] = {}
    read: Read = []
    for part in parts:
        if part.filename is None:
            text = part.content.decode("utf-8", "replace").encode("utf-8", "replace")
            fields.setdefault(part.name, text)
        else:
            read.append((part.name, part.filename, part.content))
    return _sorted([*((name, None, value) for name, value in fields.items()), *read])


def _sorted(read: Read) -> Read:
    """Files of different fields come in no order in Werkzeug's answer; those of one field do."""
    return sorted(read, key=lambda part: (str(part[0]), part[1] is None))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(forms())
@pytest.mark.slow
def test_a_form_is_split_as_it_would_be_parsed_or_not_at_all(form: tuple[bytes, bytes]) -> None:
    parts = of_split(*form)
    assert parts is None or parts == of_werkzeug(*form)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(form=forms())
@pytest.mark.slow
def test_a_form_of_any_shape_is_read_as_werkzeug_reads_it(
    tmp_path: Path, form: tuple[bytes, bytes]
) -> None:
    assert of_ours(*form, tmp_path) == (of_werkzeug(*form) or [])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), BOUNDARIES)
def test_any_bytes_are_a_form_or_none(body: bytes, boundary: bytes) -> None:
    assert of_split(body, boundary) in (None, of_werkzeug(body, boundary))


def test_most_forms_of_browsers_are_split() -> None:
    """Else the first of these tests would compare nothing."""
    split_count = 0

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(forms())
    def count(form: tuple[bytes, bytes]) -> None:
        nonlocal split_count
        split_count += of_split(*form) is not None

    count()
    assert split_count > 20
