"""Length and seed of a storm, from the environment: `make crash` sets them."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def storm_seconds() -> float:
    """How long the storm lasts in seconds."""
    return float(os.environ.get("CRASH_SECONDS", "120"))


@pytest.fixture
def storm_seed() -> int:
    """The seed of all that is random, printed at the end; give it again to repeat a storm."""
    return int(os.environ.get("CRASH_SEED") or random.randrange(1_000_000))
