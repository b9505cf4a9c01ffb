"""A child of the supervisor, and the pauses and graces of all."""

from __future__ import annotations

from dataclasses import dataclass

from scai.processes import Process


@dataclass(frozen=True)
class Timing:
    """Pauses and graces of a supervisor, in seconds.

    The pause before a restart begins at `first_pause` and doubles up to `longest_pause`; it is
    the first one again for a child that lived `sound_after`. A look at the children comes every
    `look`; the portal gets `probe` for an answer. One that hangs has `hung_grace` to end. For a
    clean end, the portal has `portal_grace`, and workers have the setting `stop_grace`. A cleaner
    that runs longer than `longest_clean` hangs.
    """

    first_pause: float = 0.2
    longest_pause: float = 30.0
    sound_after: float = 60.0
    turn: float = 0.05
    look: float = 1.0
    probe: float = 5.0
    hung_grace: float = 5.5
    portal_grace: float = 5.5
    longest_clean: float = 3600.0


DEFAULT_TIMING = Timing()


@dataclass
class Child:
    """One program that runs for ever, or (with `every`, in seconds) again and again.

    `pause` is the time in seconds before its next restart, `due` the moment of that restart. One
    that hangs was asked to end, and is killed at `kill_at`.
    """

    name: str
    command: list[str]
    kind: str = ""
    every: float | None = None
    process: Process | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = 0.0
    kill_at: float | None = None
