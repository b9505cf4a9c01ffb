"""The installations that tests start leave nothing behind, whatever becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.helpers import wait_until
from support.live import Live, alive
from support.ports import free_port


@pytest.mark.slow
def test_a_server_that_is_not_ready_in_time_is_ended(tmp_path: Path) -> None:
    running = Live(tmp_path, SCAI_IC_WORKERS="0", SCAI_OD_WORKERS="0")
    wait_until(lambda: len(running.all_pids()) > 1, 60, "a portal")
    pids = running.all_pids()
    with pytest.raises(AssertionError, match="ready"):
        running.wait_ready(seconds=0)
    assert running.process.returncode is not None
    wait_until(lambda: not any(alive(pid) for pid in pids), 20, "no process left")


def test_ports_in_a_row_differ_though_nobody_listens_yet() -> None:
    assert len({free_port() for _ in range(20)}) == 20
