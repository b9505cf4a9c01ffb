"""Errors that users can fix end a command with one sentence; a bug keeps its traceback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from scai.cli.text import table
from scai.errors import ScaiError


class UserError(click.ClickException):
    """An argument, a file or data cannot be used: one sentence on stderr and exit code 2."""

    exit_code = 2


@contextmanager
def one_sentence(stopped: str = "") -> Iterator[None]:
    """End the command with one sentence after a ScaiError or OSError; also a decorator.

    stopped: message for Ctrl-C, with exit code 1; "": click answers.
    Raises UserError, and click.ClickException for Ctrl-C.
    """
    try:
        yield
    except ScaiError as error:
        raise UserError(error.message) from error
    except OSError as error:
        raise UserError(f"{error.filename or 'the disk'}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        if not stopped:
            raise
        raise click.ClickException(stopped) from None


def figures(metrics: Mapping[str, object]) -> str:
    """Format figures by name, a line each."""
    rows = [(name, str(value)) for name, value in metrics.items()]
    return "\n".join(table(rows, right=(), indent=2))
