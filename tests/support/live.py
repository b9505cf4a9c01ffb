"""A real installation for a test: `scai up` with its processes, in folders of its own."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image, ImageDraw, ImageFont

from scai.settings import ROOT
from support.helpers import wait_until
from support.kinds import IC, OD
from support.ports import free_port

# What the default classification model can say.
OBJECTS = set((ROOT / "usr" / "models" / "objects" / "labels.txt").read_text().split())


class Live:
    """Runs until `stop`; its log is in `log`, line by line as it comes.

    With `port`, it listens there: for one that starts again in the folders of an earlier one.
    """

    def __init__(self, folder: Path, *arguments: str, port: int = 0, **environment: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sessions = folder / "session"
        self.pools = {kind: folder / "pooling" / kind for kind in (IC.name, OD.name)}
        self.log: list[str] = []
        self.environment = {
            **os.environ,
            "SCAI_SESSIONPATH": str(self.sessions),
            "SCAI_ICPOOLPATH": str(self.pools[IC.name]),
            "SCAI_ODPOOLPATH": str(self.pools[OD.name]),
            "SCAI_LOGFORMAT": "text",
            **environment,
        }
        command = [
            sys.executable,
            "-m",
            "scai.cli",
            "up",
            "--port",
            str(self.port),
            *arguments,
        ]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())

    def log_lines(self, pattern: str) -> list[str]:
        return [line for line in list(self.log) if re.search(pattern, line)]

    def wait_ready(self, seconds: float = 120) -> Live:
        """Return when it is ready; one that is not in time, or ends, is killed and fails."""
        try:
            wait_until(
                lambda: self.log_lines("is ready at") or self.process.poll() is not None,
                seconds,
                "ready",
            )
            assert self.process.poll() is None, "\n".join(self.log)
        except BaseException:
            self.kill()
            raise
        return self

    def wait_idle(self, seconds: float = 60) -> None:
        """Until no photo waits or is in work: those of tests before do not show any more."""

        def left() -> bool:
            # A ticket goes from the first folder to the second, so they are read in this order.
            folders = [each for pool in self.pools.values() for each in (pool, pool / ".claimed")]
            return any(
                not name.startswith(".")
                for folder in folders
                if folder.is_dir()
                for name in os.listdir(folder)
            )

        wait_until(lambda: not left(), seconds, "the queues are empty")

    def pids(self, of: str) -> list[int]:
        """Processes below the supervisor whose command line holds `of`."""
        return [pid for pid in self.all_pids()[1:] if of in command_line(pid)]

    def all_pids(self) -> list[int]:
        """The supervisor and every process below it; the supervisor is the first."""
        pids = [self.process.pid]
        for pid in pids:
            pids += children_of(pid)
        return pids

    def post(
        self, upload: str, data: bytes, name: str = "photo.png", **form: str
    ) -> dict[str, Any]:
        answer = requests.post(
            self.url + upload, files={"photo": (name, data)}, data=form, timeout=30
        )
        return dict(answer.json())

    def result(self, path: str, answer: dict[str, Any], wait: float = 30) -> dict[str, Any]:
        query = {"task": answer["sessname"], "key": answer["sesskey"], "wait": str(wait)}
        return dict(requests.get(self.url + path, params=query, timeout=wait + 30).json())

    def stop(self, how: int = signal.SIGTERM, seconds: float = 30) -> int:
        """End it and return its exit status; fails when a process is left, and kills it."""
        pids = self.all_pids()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(seconds)
            wait_until(lambda: not any(alive(pid) for pid in pids), 20, "no process left")
        except BaseException:
            kill(pid for pid in pids if alive(pid))
            raise
        finally:
            self._reap()
        return code

    def kill(self) -> None:
        """End all its processes at once."""
        if self.process.poll() is None:
            # A stopped supervisor starts no further process while its children are listed.
            self.process.send_signal(signal.SIGSTOP)
            kill(self.all_pids()[1:])
        self._reap()

    def _reap(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


def kill(pids: Iterable[int]) -> None:
    """End processes at once; one that ended with its parent is no error."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            # A thread that ends meanwhile must not hide the children of the others.
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def digit(text: str = "3", size: int = 200) -> bytes:
    """A thick dark figure on white, as PNG."""
    image = Image.new("RGB", (size, size), "white")
    font = ImageFont.load_default(size * 0.8)
    ImageDraw.Draw(image).text(
        (size / 2, size / 2), text, "black", font, anchor="mm", stroke_width=3
    )
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def digit_picture() -> np.ndarray:
    """The same as pixels (h, w, 3) uint8."""
    with Image.open(io.BytesIO(digit())) as image:
        return np.asarray(image.convert("RGB"))
