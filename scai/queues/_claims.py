"""Claims on jobs of the directory queue: files under `.claimed/`, each with a name of its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from scai.queues.base import Claim, Job

log = logging.getLogger(__name__)


class DirectoryClaim(Claim):
    """A ticket under `.claimed/`. Its removal is what rings the portal's doorbell.

    `give_back(name)` lets the claim of that file name wait again, `set_aside(session, reason)`
    writes a hold file.
    """

    def __init__(
        self,
        job: Job,
        file: str,
        give_back: Callable[[str], bool],
        set_aside: Callable[[str, str], None],
    ) -> None:
        self.job = job
        self._file = file
        self._give_back = give_back
        self._set_aside = set_aside

    def done(self) -> None:
        try:
            os.unlink(self._file)
        except FileNotFoundError:
            pass
        except (IsADirectoryError, PermissionError):
            log.warning("%s is not a file; left where it is", self._file)

    def give_back(self) -> None:
        self._give_back(os.path.basename(self._file))

    def hold(self, reason: str) -> None:
        self._set_aside(self.job.session, reason)
        self.done()


def session_and_owner(claimed: str) -> tuple[str, str]:
    """The two parts of a claim's name; without a number, it is one of an earlier release."""
    session, _, owner = claimed.partition("@")
    return session, owner.partition("+")[0]
