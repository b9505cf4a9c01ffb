"""A change that sends an upload or a photo through more files of ours is noticed here."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from benchmarks import trace_files
from scai.settings import ROOT

# One more than usual for a photo: a heartbeat may fall into the trace.
# A reader should be able to follow both ways: see docs/architecture.md, and for the photo also
# docs/decisions/worker.md. A photo with objects is also drawn on and encoded.
MAX_FILES = [
    ("upload", "image_classification", 19),
    ("upload", "object_detection", 19),
    ("photo", "image_classification", 31),
    ("photo", "object_detection", 33),
]
ON_THE_WAY = {
    "upload": {"scai/web/answers.py", "scai/storage/session.py", "scai/queues/directory.py"},
    "photo": {"scai/queues/_claims.py", "scai/worker/verdicts.py", "scai/storage/session.py"},
}


@pytest.mark.parametrize(("way", "kind", "limit"), MAX_FILES)
def test_a_picture_goes_through_few_files_of_ours(way: str, kind: str, limit: int) -> None:
    files = trace_files.files_of(way, kind)
    assert ON_THE_WAY[way] <= set(files)
    assert way == "upload" or f"workers/{kind}.py" in files
    assert all((ROOT / file).is_file() for file in files)
    assert len(files) <= limit, list(files)


def test_the_command_lists_the_files_and_counts_them() -> None:
    done = CliRunner().invoke(trace_files.main, ["upload", "--kind", "image_classification"])
    *files, count = done.output.splitlines()
    assert done.exit_code == 0 and count == f"{len(files)} files"


def test_the_functions_of_each_file_are_listed_on_request() -> None:
    done = CliRunner().invoke(trace_files.main, ["upload", "--functions"])
    lines = dict(line.split(": ", 1) for line in done.output.splitlines()[:-1])
    assert "Session.create" in lines["scai/storage/session.py"]
