"""One set-up of logging per process: text on a terminal, JSON lines otherwise."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO


def one_line(message: str) -> str:
    """The message with whatever could end a line or command a terminal as Python writes it.

    Addresses and names in it come from strangers.
    """
    text = message.strip()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class JsonLines(logging.Formatter):
    """One JSON object a line: ts (seconds), level, program, logger, message, and a traceback."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": round(record.created, 3),
            "level": record.levelname,
            "program": self._program,
            "logger": record.name,
            "message": one_line(record.getMessage()),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class Text(logging.Formatter):
    """Time, program, level when it is not INFO, message."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname}: "
        line = f"{clock} {self._program:<22} {level}{one_line(record.getMessage())}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def set_up(
    program: str, level: str = "INFO", style: str = "auto", stream: TextIO | None = None
) -> None:
    """Send the log of this process to standard error (or `stream`), once."""
    stream = stream or sys.stderr
    as_text = style == "text" or (style == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Text(program) if as_text else JsonLines(program))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Libraries warn of damaged metadata and the like: as lines of the log, not between them.
    logging.captureWarnings(True)
    # Watchdog describes every event at DEBUG; that would drown our own lines.
    logging.getLogger("watchdog").setLevel(logging.WARNING)
