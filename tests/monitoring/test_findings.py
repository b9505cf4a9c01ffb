"""The verdict over the server's figures: what a person should know of them."""

from __future__ import annotations

from typing import Any

import pytest

from scai.monitoring.findings import findings

NOW = 1_790_000_052.0
IC, OD = "image_classification", "object_detection"


def calm(**changes: Any) -> dict[str, Any]:
    """A document of a quiet, healthy server, with changes to the queue of classification."""
    worker = {"state": "idle", "recognised_s": 12.0}
    queue = {"waiting": 0, "oldest_s": None, "held": 0, "per_minute": 0.0, "last_verdict": None}
    one = {"kind": IC, "workers": [worker], **queue, **changes}
    other = {"kind": OD, "workers": [worker], **queue}
    return {
        "time": NOW,
        "settings": {"runningmode": "runtime", "max_waiting": 1000, "ready_within": 60.0},
        "queues": [one, other],
        "failures": [],
        "disk": {"free_bytes": 50 * 10**9, "total_bytes": 100 * 10**9},
        "amounts": {"floor_bytes": 500_000_000, "reserved_bytes": 0},
    }


NEVER = {"recognised_s": None}
SILENT = {"state": "busy", "recognised_s": 61.0}
LONG_WAIT = {"waiting": 30, "oldest_s": 180.0}
FINDINGS = [
    ({}, []),
    ({"waiting": 5, "oldest_s": 3.0}, []),
    ({"workers": []}, [("no_worker", "bad")]),
    ({"workers": [{"state": "loading", "recognised_s": None}]}, [("starting", "warn")]),
    ({"workers": [{"state": "loading", **NEVER}, {"state": "busy", **NEVER}]}, []),
    ({"workers": [SILENT, SILENT]}, [("silent", "bad")]),
    ({"workers": [SILENT, {"state": "idle", "recognised_s": 59.0}]}, []),
    ({"workers": [{"state": "loading", **NEVER}, SILENT]}, [("silent", "bad")]),
    ({**LONG_WAIT, "last_verdict": NOW - 20}, [("behind", "warn")]),
    ({**LONG_WAIT, "oldest_s": 400.0, "last_verdict": NOW - 20}, [("behind", "warn")]),
    ({**LONG_WAIT, "oldest_s": 400.0, "last_verdict": NOW - 400}, [("stalled", "bad")]),
    ({**LONG_WAIT, "oldest_s": 400.0}, [("stalled", "bad")]),
    ({"waiting": 1000, "oldest_s": 3.0}, [("full", "bad")]),
    ({"held": 2}, [("held", "note")]),
    ({"held": 2, "workers": []}, [("no_worker", "bad"), ("held", "note")]),
]


@pytest.mark.parametrize(("changes", "expected"), FINDINGS, ids=str)
def test_what_stands_out_of_a_queue(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert [(each["code"], each["level"]) for each in findings(calm(**changes))] == expected


def test_how_long_a_queue_will_take_is_told_where_its_pace_is_known() -> None:
    [found] = findings(calm(**LONG_WAIT, last_verdict=NOW - 20, per_minute=15.0))
    assert found["clear_s"] == 120
    [found] = findings(calm(**LONG_WAIT, last_verdict=NOW - 70))
    assert "clear_s" not in found


GB = 10**9
DISKS = [
    # free and total bytes, and what is said of them
    (50 * GB, 100 * GB, []),
    (11 * GB, 20_000 * GB, []),
    (9 * GB, 20_000 * GB, ["disk_low"]),
    (6 * GB, 100 * GB, []),
    (4 * GB, 100 * GB, ["disk_low"]),
    (1 * GB, 100 * GB, ["disk_low"]),
    (GB // 4, 100 * GB, ["disk_full"]),
    (int(1.5 * GB), 2 * GB, []),
]


@pytest.mark.parametrize(("free", "total", "codes"), DISKS)
def test_a_disk_that_fills_up_is_told_in_time(free: int, total: int, codes: list[str]) -> None:
    document = calm() | {"disk": {"free_bytes": free, "total_bytes": total}}
    assert [each["code"] for each in findings(document)] == codes


def test_in_job_mode_nobody_misses_workers() -> None:
    document = calm(workers=[])
    document["settings"]["runningmode"] = "job"
    assert findings(document) == []


def test_only_failures_of_the_servers_own_making_are_alarming() -> None:
    theirs = {"code": "bad_image", "count": 90, "last": NOW}
    ours = {"code": "engine", "count": 2, "last": NOW - 60}
    assert findings(calm() | {"failures": [theirs]}) == []
    [found] = findings(calm() | {"failures": [theirs, ours]})
    assert (found["code"], found["count"]) == ("failing", 2)
    assert findings(calm() | {"failures": [ours | {"last": NOW - 1200}]}) == []


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ({"floor_bytes": 2 * 10**9, "reserved_bytes": 10**9}, ["disk_low"]),
        ({"floor_bytes": 4 * 10**9, "reserved_bytes": 2 * 10**9}, ["disk_full"]),
        (
            {"free_inodes": 900, "floor_inodes": 500, "reserved_inodes": 600},
            ["inodes_full"],
        ),
        ({"free_inodes": 2000, "floor_inodes": 500, "reserved_inodes": 600}, []),
        ({"free_inodes": None, "floor_inodes": None, "reserved_inodes": 600}, []),
    ],
)
def test_a_disk_is_full_where_uploads_stop(amounts: dict[str, Any], expected: list[str]) -> None:
    free = 5 * 10**9 if "floor_bytes" in amounts else 50 * 10**9
    disk = {"free_bytes": free, "total_bytes": 100 * 10**9}
    document = calm() | {"disk": disk, "amounts": amounts}
    assert [finding["code"] for finding in findings(document)] == expected
