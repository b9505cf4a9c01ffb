"""The promise of SCAI, under load: every upload that was answered "success" gets its verdict."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from support.storm.clients import StormClient
from support.storm.ledger import Ledger
from support.storm.trouble import Storm

pytestmark = [pytest.mark.slow]

CLIENTS = 6
# Seconds after the storm in which every job that is left gets its verdict.
CALM = 240
SETTINGS = {
    # Each kill may cost an attempt of jobs that are in no way to blame.
    "SCAI_MAX_ATTEMPTS": "1000",
    "SCAI_CLEANINTERVAL": "3",
    "SCAI_KEEPTIMEPERIOD": "1d",
}


@pytest.mark.timeout(0)
def test_every_accepted_upload_gets_its_verdict_whatever_is_killed(
    tmp_path: Path, storm_seconds: float, storm_seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            if storm_seconds > 300:
                print(f"{time.strftime('%H:%M:%S')} {len(ledger)} accepted; {line}", flush=True)

    ledger, ended, trouble = Ledger(), threading.Event(), list[str]()
    storm = Storm(tmp_path, storm_seed, say, **SETTINGS)
    clients = [
        StormClient(storm.live.url, ledger, ended, storm_seed + n, trouble.append)
        for n in range(CLIENTS)
    ]
    try:
        for client in clients:
            client.start()
        storm.rage(storm_seconds)
        ended.set()
        for client in clients:
            client.join(60)
        storm.settle()
        storm.live.wait_idle(CALM)
        balance = ledger.balance(storm.live.sessions, storm.live.pools)
    except BaseException:
        print("\n".join(storm.live.log[-60:]))
        raise
    finally:
        ended.set()
        storm.live.kill()
    with capsys.disabled():
        print(f"\nstorm {storm_seed}: {len(ledger)} accepted = {balance}; {dict(storm.hits)}")
    assert len(ledger) > 0
    assert not balance.broken, "\n".join(balance.broken)
    assert not trouble, "\n".join(trouble)
    counted = balance.complete + balance.failed + balance.held + balance.removed
    assert counted == len(ledger)
