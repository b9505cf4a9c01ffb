"""Length and seed of the fuzzing, from the environment: `make fuzz` sets them."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def fuzz_seconds() -> float:
    """How long each target is fuzzed, in seconds."""
    return float(os.environ.get("FUZZ_SECONDS", "6"))


@pytest.fixture
def fuzz_seed() -> int:
    """The seed of all that is random, printed at the end; give it again to repeat a run."""
    return int(os.environ.get("FUZZ_SEED") or random.randrange(1_000_000))
