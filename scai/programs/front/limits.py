"""What a client may take of the front: connections, time and memory."""

from __future__ import annotations

import resource
from dataclasses import dataclass

from scai.settings import Settings

# Descriptors that are left for everything but connections: files, the log, listening sockets.
_RESERVE = 64
# The most descriptors that this process asks for.
_DESCRIPTORS = 65_536


@dataclass(frozen=True)
class FrontLimits:
    """Amounts, and times in seconds.

    connections: in all; per_address: of one address, 0 for no limit
    header: until a request's header has come, and until a new connection's first request begins
    idle: that a connection stays open between two requests
    speed: bytes a second that a body must come and an answer be read at, over each `window` seconds
    head_bytes, headers: of one request
    ahead: requests that a client may send before the first is answered
    in_memory: bytes of one body; a larger one goes to a file
    bodies: bytes of all bodies in memory; while there are more, even small ones go to files
    linger: that a refused client has to read its answer
    turned_away: connections above the limit that are told so at a time; others are just closed
    grace: that open requests get to end after a stop
    sweep: between two looks at all connections
    breath: until connections are accepted again, after the system had no descriptor for one
    """

    connections: int = 4096
    per_address: int = 1024
    header: float = 10.0
    idle: float = 60.0
    speed: int = 1000
    window: float = 10.0
    head_bytes: int = 64 * 1024
    headers: int = 100
    ahead: int = 16
    in_memory: int = 1_000_000
    bodies: int = 256_000_000
    linger: float = 2.0
    turned_away: int = 32
    grace: float = 2.0
    sweep: float = 0.5
    breath: float = 0.5


DEFAULT_LIMITS = FrontLimits()


def limits_of(settings: Settings, descriptors: int) -> FrontLimits:
    """The limits of these settings for a process that may have so many descriptors.

    A connection takes one, and its body or answer may take a second.
    """
    room = max(16, (descriptors - _RESERVE) * 3 // 4)
    return FrontLimits(
        bodies=int(settings.max_form_memory_mb * 1_000_000),
        connections=min(settings.max_connections, room),
        per_address=settings.max_address_connections,
        header=settings.header_timeout,
        idle=settings.idle_timeout,
        speed=settings.min_speed,
        window=settings.stall_timeout,
    )


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may have, within reason; return their number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    aim = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < aim:
        resource.setrlimit(resource.RLIMIT_NOFILE, (aim, hard))
        return aim
    return _DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


class Pace:
    """Whether bytes keep a speed: at least `speed * window` of them in each window of time."""

    def __init__(self, speed: int, window: float, now: float) -> None:
        self._speed, self._window = speed, window
        self._began, self._bytes = now, 0

    def count(self, bytes: int) -> None:
        """So many bytes have moved."""
        self._bytes += bytes

    def restart(self, now: float) -> None:
        """Begin a window anew: for a while, the other side could not do anything."""
        self._began, self._bytes = now, 0

    def too_slow(self, now: float) -> bool:
        """Whether a window ended with too few bytes."""
        if now - self._began < self._window:
            return False
        slow = self._bytes < self._speed * (now - self._began)
        self.restart(now)
        return slow
