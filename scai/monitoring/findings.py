"""Findings: what a person should know of the server's state, worst first. Their codes:

disk_full     bad   uploads are refused: what is free is kept for the verdicts to come
inodes_full   bad   the same, because the disk has no room for further files
no_worker     bad   nobody works on a kind
silent        bad   no worker of a kind has recognised a picture lately, not even one of its own
full          bad   so many jobs of a kind wait that uploads are refused
stalled       bad   jobs wait, a worker is there, and nothing is finished
disk_low      warn  the disk fills up
starting      warn  a kind's workers still load their model
behind        warn  the oldest job of a kind waits long
failing       warn  jobs failed lately, and not because of their pictures
held          note  jobs were set aside for a person to look at
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LEVELS = ("good", "note", "warn", "bad")

_GB = 1_000_000_000
# Free bytes below which it is time to act: a share of the disk between two limits, or twice what
# uploads leave free.
_DISK_LOW, _DISK_LOW_SHARE, _DISK_LOW_MAX = 2 * _GB, 0.05, 10 * _GB
# Seconds that a job may wait, that may pass without a verdict while jobs wait, and that failures
# are reported for.
_LONG_WAIT = 60
_STALLED = 300
_LATELY = 600
# Codes of failures that are the picture's fault.
_PICTURE_FAULTS = (
    "bad_image",
    "unsupported_format",
    "image_too_large",
    "too_expensive",
    "bad_request",
)


def findings(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The findings of a document of scai/monitoring/overview.py; [] when all is well.

    Each has `code`, `level` and, where they apply, `kind` and numbers.
    """
    everything = [*_of_the_disk(document)]
    for queue in document["queues"]:
        everything += _of_a_queue(queue, document)
    everything += _of_failures(document)
    return sorted(everything, key=lambda finding: -LEVELS.index(finding["level"]))


def _of_the_disk(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    disk = document["disk"]
    if disk is None:
        return
    free, total = disk["free_bytes"], disk["total_bytes"]
    amounts = document["amounts"]
    least = (amounts.get("floor_bytes") or 0) + amounts.get("reserved_bytes", 0)
    low = max(_DISK_LOW, min(_DISK_LOW_SHARE * total, _DISK_LOW_MAX), 2 * least)
    if free < least:
        yield {"code": "disk_full", "level": "bad", "free_bytes": free}
    elif amounts.get("free_inodes") is not None and amounts["free_inodes"] < (
        amounts["floor_inodes"] + amounts["reserved_inodes"]
    ):
        yield {"code": "inodes_full", "level": "bad", "free_inodes": amounts["free_inodes"]}
    elif free < low and free < total / 2:
        yield {"code": "disk_low", "level": "warn", "free_bytes": free}


def _of_a_queue(queue: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind, waiting, oldest = queue["kind"], queue["waiting"], queue["oldest_s"] or 0
    resident = document["settings"]["runningmode"] == "runtime"
    warm = any(worker["state"] != "loading" for worker in queue["workers"])
    quiet = document["time"] - queue["last_verdict"] if queue["last_verdict"] else float("inf")
    if resident and not queue["workers"]:
        yield {"code": "no_worker", "level": "bad", "kind": kind, "waiting": waiting}
    elif resident and not warm:
        yield {"code": "starting", "level": "warn", "kind": kind, "waiting": waiting}
    elif resident and (silence := _silence(queue)) > document["settings"]["ready_within"]:
        yield {"code": "silent", "level": "bad", "kind": kind, "silent_s": silence}
    elif waiting and oldest > _STALLED and quiet > _STALLED:
        yield {"code": "stalled", "level": "bad", "kind": kind, "oldest_s": oldest}
    elif oldest > _LONG_WAIT:
        rate = queue["per_minute"]
        minutes = waiting / rate if rate else None
        yield {"code": "behind", "level": "warn", "kind": kind, "oldest_s": oldest} | (
            {} if minutes is None else {"clear_s": round(60 * minutes)}
        )
    if waiting >= document["settings"]["max_waiting"]:
        yield {"code": "full", "level": "bad", "kind": kind, "waiting": waiting}
    if queue["held"]:
        yield {"code": "held", "level": "note", "kind": kind, "count": queue["held"]}


def _silence(queue: Mapping[str, Any]) -> float:
    """Seconds since a worker of that kind last recognised a picture; 0 if that is not known."""
    ages = [worker["recognised_s"] for worker in queue["workers"]]
    return min((age for age in ages if age is not None), default=0.0)


def _of_failures(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    groups = [each for each in document["failures"] if each["code"] not in _PICTURE_FAULTS]
    if any(document["time"] - group["last"] < _LATELY for group in groups):
        count = sum(group["count"] for group in groups)
        yield {"code": "failing", "level": "warn", "count": count}
