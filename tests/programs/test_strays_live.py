"""Things that do not belong there, in the folders of a running server: it works and is ready."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from support.helpers import wait_until
from support.live import IC, OD, Live, digit

pytestmark = pytest.mark.slow

SESSION = "d-20261130-" + "0" * 40
STRAYS: dict[str, Callable[[Path], object]] = {
    ".claimed/@x": Path.touch,
    ".claimed/..@x": Path.touch,
    ".claimed/README": os.mkfifo,
    ".claimed/folder@x": Path.mkdir,
    f".hold/{SESSION}": os.mkfifo,
    ".owners/list.json": lambda path: path.write_text("[]"),
    ".owners/pipe.json": os.mkfifo,
    ".owners/folder.lock": Path.mkdir,
}


def test_strays_in_the_folders_of_a_running_server_stop_nothing(live: Live) -> None:
    with ExitStack() as stack:
        for pool in live.pools.values():
            for name, make in STRAYS.items():
                path = pool / name
                make(path)
                stack.callback(path.rmdir if path.is_dir() else path.unlink)
            for name in ("list", "pipe"):  # owners that live
                lock = stack.enter_context((pool / ".owners" / f"{name}.lock").open("w"))
                stack.callback(os.unlink, lock.name)
                fcntl.flock(lock, fcntl.LOCK_EX)
        for kind in (IC, OD):
            answer = live.post(kind.upload, digit("3"))
            assert live.result(kind.result, answer)["state"] == "complete"
        wait_until(lambda: requests.get(f"{live.url}/readyz", timeout=30).status_code == 200)
        for path in ("/", "/status", "/status.json", "/models.json"):
            assert requests.get(live.url + path, timeout=30).status_code == 200
