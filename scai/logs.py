"""Logging of a process: text on a terminal, JSON lines elsewhere."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO


def one_line(message: str) -> str:
    """Escape the characters of a message that could end a line or control a terminal.

    Messages hold addresses and file names from strangers.
    """
    text = message.strip()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class JsonLines(logging.Formatter):
    """One JSON object per line: ts (Unix time), level, program, logger, message, traceback."""

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
    """One line: time, program, the level unless it is INFO, message."""

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
    """Send the log of this process to standard error, or to `stream`; replaces earlier handlers.

    level: the lowest level to log. style: "text", "json", or "auto" for text on a terminal.
    """
    stream = stream or sys.stderr
    as_text = style == "text" or (style == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Text(program) if as_text else JsonLines(program))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Warnings of libraries, such as those about damaged metadata, become lines of the log.
    logging.captureWarnings(True)
    # Watchdog logs every event at DEBUG, which would drown SCAI's own lines.
    logging.getLogger("watchdog").setLevel(logging.WARNING)
