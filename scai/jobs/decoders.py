"""The decoders of this installation and their versions, without loading any of them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from scai.processes import run_child

log = logging.getLogger(__name__)

_PROGRAM = "scai.pictures.codecs"
# Seconds for a program that reads some versions, on a busy machine.
_PATIENCE = 60.0


def ask_child() -> str:
    """What the program in a process of its own says. Raises OSError or TimeoutExpired."""
    return run_child([sys.executable, "-m", _PROGRAM], "", _PATIENCE).stdout


class DecoderInventory:
    """The list of `scai.pictures.codecs`, asked for once. Safe between threads."""

    def __init__(self, ask: Callable[[], str] = ask_child) -> None:
        self._ask = ask
        self._turn = threading.Lock()
        self._found: list[dict[str, Any]] | None = None

    def read(self) -> list[dict[str, Any]]:
        """The installed decoders; empty while they cannot be asked for."""
        with self._turn:
            if self._found is None:
                try:
                    self._found = json.loads(self._ask())
                except (OSError, ValueError, subprocess.SubprocessError) as error:
                    log.warning("the versions of the decoders are not known: %s", error)
                    return []
            return self._found
