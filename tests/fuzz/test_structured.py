"""Inputs that are well formed, with anything in them: what hypothesis thinks of."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fuzzing import files
from support.fuzzing.__main__ import TARGETS

from scai.jobs.batches.unzip import Unpacking
from scai.models import cards, labels
from scai.storage import json_files

pytestmark = [pytest.mark.slow]
bounded = settings(
    max_examples=150, deadline=None, database=None, suppress_health_check=[*HealthCheck]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = ("state", "job", "key", "input_image", "message", "attempts", "created", "filename")
LINE = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)


@bounded
@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=9), VALUES))
def test_any_record_is_read(record: dict) -> None:
    text = json.dumps(record)
    files.run_records(text.encode())
    files.run_records(json_files.seal(record))


@bounded
@given(st.dictionaries(st.text(max_size=9), VALUES).map(lambda record: {**record, "key": "k"}))
def test_a_record_comes_back_as_it_was_written(record: dict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "process.json"
        path.write_bytes(json_files.seal(record))
        try:
            back = json_files.read_record(str(path))
        except json_files.BadSession:
            assert "NaN" in json.dumps(record) or "Infinity" in json.dumps(record)
        else:
            kept = {key: value for key, value in record.items() if key not in json_files.SEAL}
            assert json.dumps(back, sort_keys=True) == json.dumps(kept, sort_keys=True)


@bounded
@given(
    st.dictionaries(
        st.sampled_from([*cards.KEYS, "unknown"]),
        LINE | st.sampled_from(["model", "graph.pb", "labels.txt", "fake", "-1", "inf", "1e400"]),
    )
)
def test_any_section_is_a_card_or_a_sentence(values: dict[str, str]) -> None:
    lines = "".join(f"{key} = {value}\n" for key, value in values.items())
    files.run_sections(f"[model]\n{lines}[other]\nUSE = model\n".encode())


@bounded
@given(st.dictionaries(st.integers(-(2**31) + 1, 2**31 - 1), LINE.filter(bool), min_size=1))
def test_any_label_comes_back_from_a_map(names: dict[int, str]) -> None:
    def quoted(name: str) -> str:
        return "".join(f"\\{byte:03o}" for byte in name.encode())

    items = (f'item {{ id: {i} display_name: "{quoted(n)}" }}\n' for i, n in names.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.pbtxt"
        path.write_text("".join(items))
        assert labels.read(path) == names


@bounded
@given(st.lists(st.tuples(LINE.filter(bool), st.binary(max_size=300)), max_size=6), st.booleans())
def test_any_zip_gives_its_files_or_a_refusal(
    parts: list[tuple[str, bytes]], deflate: bool
) -> None:
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for number, (name, data) in enumerate(parts):
            archive.writestr(f"{number}{name}", data)
    files.run_zip(out.getvalue())
    contents = {f"{number}{name}": data for number, (name, data) in enumerate(parts)}
    unpacking = Unpacking(out, 10, 10_000)
    for entry in unpacking.entries:
        if not entry.refusal:
            assert b"".join(unpacking.read(entry)) in contents.values()


@bounded
@given(st.sampled_from([*TARGETS]), st.binary(max_size=200))
def test_no_bytes_at_all_do_harm(target: str, data: bytes) -> None:
    TARGETS[target].run(data)
