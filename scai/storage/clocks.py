"""Clocks for times that processes of one machine share."""

from __future__ import annotations

import time


def boot_time() -> float:
    """Seconds since this machine was started, also while it slept; no step of the clock moves it.

    The same in all processes. Where the system has no such clock, a steady one of its own.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def boot_id() -> str:
    """What is different after each start of this machine; "" where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
