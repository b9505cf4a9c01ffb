"""Which decoders there are: from a process of its own, once."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata

from scai.jobs.decoders import DecoderInventory, ask_child


def test_the_decoders_are_those_that_are_installed() -> None:
    found = {each["name"]: each for each in json.loads(ask_child())}
    for name, package in {
        "simplejpeg": "simplejpeg",
        "Pillow": "pillow",
        "OpenCV": "opencv-python-headless",
    }.items():
        assert found[name]["version"] == metadata.version(package) and found[name]["use"]
    assert found["Pillow"]["codecs"]["webp"][0].isdigit()
    assert {"libjpeg_turbo", "jpg"} & set(found["Pillow"]["codecs"])


def test_they_are_asked_for_once_and_again_after_a_failure() -> None:
    answers = iter(["no JSON", '[{"name": "x"}]'])
    inventory = DecoderInventory(lambda: next(answers))
    assert inventory.read() == []
    assert inventory.read() == inventory.read() == [{"name": "x"}]


def test_a_program_that_hangs_or_cannot_start_is_no_error() -> None:
    def late() -> str:
        raise subprocess.TimeoutExpired("x", 1)

    def gone() -> str:
        raise FileNotFoundError

    assert DecoderInventory(late).read() == DecoderInventory(gone).read() == []
