"""What may become of a claimed job; `Verdicts.finish` carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from scai.errors import ScaiError
from scai.recognition.recognizer import Recognizer
from scai.recognition.results import Result


@dataclass(frozen=True)
class Complete:
    """The job has a result: it is published, and the ticket goes."""

    result: Result
    recognizer: Recognizer


@dataclass(frozen=True)
class Failed:
    """The job has failed: the reason is published, and the ticket goes.

    With `hold`, the ticket is put on hold for that reason instead.
    """

    error: ScaiError
    hold: str = ""


@dataclass(frozen=True)
class Unreadable:
    """The record cannot be read: the reason is published, and the ticket is put on hold."""

    error: ScaiError


@dataclass(frozen=True)
class Missing:
    """There is no such session: the ticket is put on hold with the reason."""

    reason: str


@dataclass(frozen=True)
class AlreadyFinal:
    """The session has its verdict: the ticket goes."""


@dataclass(frozen=True)
class Lost:
    """The claim was lost before the run: the job belongs to others, and nothing is written."""


@dataclass(frozen=True)
class Later:
    """The job waits again, after this worker has paused for so many seconds."""

    pause: float = 0.0


@dataclass(frozen=True)
class Refused:
    """The disk refused the session's files: the job waits, and after minutes it is put on hold."""

    error: OSError


@dataclass(frozen=True)
class Again:
    """The same worker runs the job again, as a suspect, after a pause of so many seconds."""

    pause: float = 0.0


@dataclass(frozen=True)
class Slowly:
    """The same run of the job goes on in the lane of slow inputs."""


Outcome = (
    Complete
    | Failed
    | Unreadable
    | Missing
    | AlreadyFinal
    | Lost
    | Later
    | Refused
    | Again
    | Slowly
)
