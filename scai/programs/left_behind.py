"""Workers that a killed supervisor left behind, and that do not end.

The kernel sends the children of a dead process SIGTERM, and they end by that. One that is stopped,
or hangs, keeps its memory and its lock, and no supervisor knows it as its child.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from scai.processes import is_left_behind
from scai.storage.lookout import Answer

log = logging.getLogger(__name__)


class LeftBehind:
    """Kills such workers when they have had `grace` seconds to end.

    is_left_behind: whether the parent of that process is gone; kill: ends a process by its id
    """

    def __init__(
        self,
        grace: float,
        *,
        is_left_behind: Callable[[int], bool] = is_left_behind,
        kill: Callable[[int, int], None] = os.kill,
    ) -> None:
        self._grace = grace
        self._is_left_behind = is_left_behind
        self._kill = kill
        self._since: dict[int, float] = {}

    def look(self, workers: Answer[list[dict[str, Any]]] | None) -> None:
        """Judge the workers of a look; without one, nothing happens."""
        if workers is None:
            return
        pids = {pid for pid in _pids_here(workers.value) if self._is_left_behind(pid)}
        now = workers.asked_at
        self._since = {pid: self._since.get(pid, now) for pid in pids}
        for pid, since in self._since.items():
            if now - since >= self._grace:
                log.error("worker %d was left behind and does not end; it is killed", pid)
                with suppress(OSError):
                    self._kill(pid, signal.SIGKILL)


def _pids_here(workers: Iterable[Mapping[str, Any]]) -> Iterable[int]:
    """The processes of this machine among the owners of claims, by their ids."""
    host = re.escape(re.sub(r"[@+/]", "-", socket.gethostname().partition(".")[0]))
    for worker in workers:
        match = re.fullmatch(rf"{host}-([0-9]+)-[0-9a-f]+", str(worker.get("id")))
        if match is not None and worker.get("pid") == int(match[1]):
            yield int(match[1])
