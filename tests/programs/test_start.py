"""How a worker's process begins and ends; each test in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scai.settings import ROOT

STATE = "import gc, os, workers; print(gc.isenabled(), os.environ.get('OPENBLAS_NUM_THREADS'))"
JPEG = """
import io, sys
from PIL import Image, JpegImagePlugin
from scai.pictures.header import probe
file = io.BytesIO()
image = Image.new("RGB", (9, 8))
image.encoderinfo = {}
image.encoderconfig = ()
JpegImagePlugin._save(image, file, "")
assert (probe(file.getvalue()).width, probe(file.getvalue()).height) == (9, 8)
print([name for name in sys.modules if name.startswith("PIL.") and "Plugin" in name])
"""
ENDING = """
import atexit, sys
from workers._main import start
atexit.register(print, "taken down")
def main():
    sys.stdout.write("written")
    {how}
start(main)
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_who_imports_the_kinds_of_recognition_keeps_threads_and_garbage_collector() -> None:
    assert python(STATE).stdout == "True None\n"


def test_a_worker_program_starts_without_threads_for_algebra_and_without_collections() -> None:
    # What Python puts there while it looks for the program of `python -m`.
    assert python(f"import sys; sys.argv = ['-m']; {STATE}").stdout == "False 1\n"


def test_a_jpeg_is_measured_without_the_readers_of_other_formats() -> None:
    done = python(JPEG)
    assert done.stdout == "['PIL.JpegImagePlugin']\n", done.stderr


@pytest.mark.parametrize(("how", "status"), [("sys.exit(78)", 78), ("sys.exit()", 0)])
def test_a_worker_program_ends_at_once_with_its_output_and_status(how: str, status: int) -> None:
    done = python(ENDING.format(how=how))
    assert (done.returncode, done.stdout) == (status, "written")


@pytest.mark.parametrize(
    ("how", "shown"), [("raise KeyError('oh')", "KeyError: 'oh'"), ("sys.exit('why')", "why")]
)
def test_why_a_worker_program_ended_otherwise_is_shown(how: str, shown: str) -> None:
    done = python(ENDING.format(how=how))
    assert done.returncode == 1 and shown in done.stderr
