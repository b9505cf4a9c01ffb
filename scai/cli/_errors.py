"""Report the error that stops a command: one sentence and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from scai.errors import ScaiError
from scai.processes import EXIT_CONFIG


def one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Print a ScaiError or an error of the disk as one line and exit; a bug keeps its traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ScaiError as error:
            click.echo(f"scai: {error.message}", err=True)
            sys.exit(EXIT_CONFIG if error.code == "config" else 1)
        except OSError as error:
            click.echo(f"scai: {error.filename or 'the disk'}: {error.strerror or error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)

    return wrapped
