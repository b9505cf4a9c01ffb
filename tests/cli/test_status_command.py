"""`scai status`: how long jobs have waited, for people and for programs."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.queueing import NOW, wait_in

from scai.cli.__main__ import main as scai
from scai.cli.status import status_text
from scai.monitoring.queue_status import AGES, status
from scai.queues.directory import DirectoryQueue
from scai.settings import Settings
from scai.storage.clocks import boot_time

IC, OD = "image_classification", "object_detection"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(icpoolpath=tmp_path / IC, odpoolpath=tmp_path / OD)


def test_the_command_shows_ages_only_when_somebody_waits(settings: Settings) -> None:
    assert "waiting for up to" not in status_text(status(settings, NOW))
    wait_in(settings, IC, 3, 4, 2000)
    table = status_text(status(settings, NOW)).splitlines()
    head = next(line for line in table if line.startswith("waiting for up to"))
    row = table[table.index(head) + 1]
    assert row.split() == [IC, ".", ".", "2", *["."] * 8, "1"]
    assert len(head) == len(row)


def test_the_command_says_what_each_worker_does_and_when_it_gave_a_sign_of_life(
    settings: Settings,
) -> None:
    queue = DirectoryQueue(settings.pool(IC), IC, doorbell=False)
    facts = {"kind": IC, "model": "digits", "engine": "fake", "warm": True}
    queue.announce(**facts, phase="working", recognised=boot_time() - 90)
    queue.beat()
    told = status_text(status(settings)).splitlines()[-1]
    assert re.fullmatch(
        rf"worker \d+: {IC}, digits on fake, ready, last heartbeat \d\.\d s ago, "
        r"last recognition 9\d s ago",
        told,
    ), told
    queue.announce(phase="stopping")
    assert "digits on fake, stopping" in status_text(status(settings))
    queue.close()


def test_the_command_gives_the_ages_to_programs(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_in(settings, OD, 0.0, now=time.time())
    monkeypatch.setenv("SCAI_ICPOOLPATH", str(settings.icpoolpath))
    monkeypatch.setenv("SCAI_ODPOOLPATH", str(settings.odpoolpath))
    done = CliRunner().invoke(scai, ["status", "--json"])
    [_, detection] = json.loads(done.output)
    assert [age["up_to"] for age in detection["ages"]] == [*AGES, None]
    assert sum(age["count"] for age in detection["ages"]) == 1
