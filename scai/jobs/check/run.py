"""The whole check, and its repair."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from scai.errors import ScaiError
from scai.jobs.check.debris import debris
from scai.jobs.check.finding import Finding
from scai.jobs.check.sessions import SessionCheck
from scai.jobs.check.tickets import abandoned_claims, strays, without_session
from scai.queues.base import JobQueue
from scai.storage.disk import Disk

log = logging.getLogger(__name__)

# Seconds in which a foreign client may be between its session and its ticket.
_SETTLE = 60.0


def check(
    sessions: Path,
    queues: Mapping[str, JobQueue],
    *,
    disk: Disk | None = None,
    now: float | None = None,
    settle: float = _SETTLE,
) -> Iterator[Finding]:
    """Everything that is wrong, one by one; nothing changes.

    Whoever repairs each finding before asking for the next one has repaired everything at the end:
    what depends on others comes after them. Raises OSError.
    """
    moment, disk = time.time() if now is None else now, disk or Disk()
    for queue in queues.values():
        yield from abandoned_claims(queue)
        yield from strays(queue, moment)
        yield from without_session(queue, sessions, moment, settle)
    if sessions.is_dir():
        yield from SessionCheck(sessions, queues, disk, moment, settle).findings()
        yield from debris(sessions, moment)


def repair(finding: Finding) -> str:
    """Repair one finding; "" when that is done, else why it is not, as a sentence."""
    if finding.repair is None:
        return "a person must look at it"
    try:
        finding.repair()
    except (OSError, ScaiError) as error:
        return str(error)
    log.info("repaired: %s %s", finding.subject, finding.about)
    return ""
