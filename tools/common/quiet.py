"""Silence TensorFlow, which writes to the file descriptor and not through Python."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the messages of libraries; our own progress and errors are still printed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    noisy = logging.getLogger("tensorflow"), logging.getLogger("absl")
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    stderr = os.dup(2)
    try:
        with (
            open(os.devnull, "wb") as nothing,
            open(stderr, "w", encoding="utf-8", closefd=False) as terminal,
            redirect_stderr(terminal) if _is_descriptor() else nullcontext(),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            os.dup2(nothing.fileno(), 2)
            yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)


def _is_descriptor() -> bool:
    """Tell whether Python's stderr is descriptor 2, and no substitute."""
    try:
        return sys.stderr.fileno() == 2
    except (io.UnsupportedOperation, ValueError, AttributeError):
        return False
