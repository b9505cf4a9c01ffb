"""Verdicts of earlier runs: a session that runs anew keeps them beside its files.

result-1.json, result-2.json, …    in the order of the runs
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from scai.errors import BadSession, NotFound
from scai.storage.disk import Disk
from scai.storage.json_files import read_record, seal

# Keys of a record that are about one run, and not about what the client asked for.
_OF_A_RUN = ("attempts", "claim", "worked")
_NAME = re.compile(r"result-([1-9][0-9]{0,8})\.json")


def begin_anew(
    path: Path, record: Mapping[str, Any], verdict: Sequence[str], disk: Disk, now: float
) -> None:
    """Replace the record at `path` by one without a verdict, as if it had come `now`.

    `verdict` names the files of the verdict beside it, the result first, which is kept. Whenever
    this is interrupted, the session has its verdict or waits for a run, and a second call ends it.
    Raises OSError.
    """
    folder = path.parent
    keep(folder / verdict[0])
    disk.sync_directory(folder)
    first = {key: value for key, value in record.items() if key not in _OF_A_RUN}
    first |= {"state": "initialization", "message": "", "result": "", "result_image": ""}
    disk.publish(path, seal({**first, "attempts": 0, "created": round(now, 3)}))
    # Only now: a final state is never without its verdict.
    for name in verdict:
        with suppress(FileNotFoundError):
            os.unlink(folder / name)


def keep(result: Path) -> None:
    """Give the file of a verdict a further name, with the next number. Raises OSError.

    A second call for the same file changes nothing, nor does one without a file. The names are
    durable only after a flush of the folder.
    """
    try:
        own = os.lstat(result).st_ino
    except FileNotFoundError:
        return
    numbers = _numbers(result.parent)
    names = [result.parent / f"result-{number}.json" for number in numbers]
    if any(os.lstat(name).st_ino == own for name in names):
        return  # a crash came between this and what follows
    last = numbers[-1] if numbers else 0
    os.link(result, result.parent / f"result-{last + 1}.json", follow_symlinks=False)


def read(folder: Path) -> list[dict[str, Any]]:
    """The verdicts of a session's earlier runs, the first one first; unreadable ones as {}."""
    verdicts = []
    for number in _numbers(folder):
        try:
            verdicts.append(read_record(os.path.join(folder, f"result-{number}.json")))
        except (NotFound, BadSession):
            verdicts.append({})
    return verdicts


def _numbers(folder: Path) -> list[int]:
    matches = map(_NAME.fullmatch, os.listdir(folder))
    return sorted(int(match[1]) for match in matches if match)
