"""A disk that hangs or fails under a running installation: what was accepted is not lost."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from support.kinds import IC
from support.live import Live, digit
from support.own_disk import own_disk

pytestmark = pytest.mark.slow

# No room has to be left free on a disk as small as these.
SETTINGS = {"SCAI_MIN_FREE_MB": "1"}


def test_a_disk_that_hangs_for_a_while_delays_uploads_and_loses_none(tmp_path: Path) -> None:
    with own_disk(tmp_path) as disk, ThreadPoolExecutor(4) as clients:
        live = Live(disk.path, **SETTINGS).wait_ready()
        try:
            with disk.hanging():
                uploads = [clients.submit(live.post, IC.upload, digit()) for _ in range(4)]
                # The portal itself goes on.
                for _ in range(5):
                    assert requests.get(live.url + "/healthz", timeout=10).status_code == 200
                assert not any(upload.done() for upload in uploads), "nothing can be promised now"
            for upload in uploads:
                answer = upload.result(60)
                assert answer["status"] == "success"
                assert live.result(IC.result, answer)["state"] == "complete"
        finally:
            live.kill()


def test_a_disk_that_fails_takes_no_upload_and_keeps_what_it_has(tmp_path: Path) -> None:
    with own_disk(tmp_path) as disk:
        live = Live(disk.path, **SETTINGS).wait_ready()
        try:
            for pid in live.pids("workers.image_classification"):
                os.kill(pid, signal.SIGSTOP)
            accepted = [live.post(IC.upload, digit()) for _ in range(3)]
            assert all(answer["status"] == "success" for answer in accepted)
            disk.fail()
            files = {"photo": ("photo.png", digit())}
            refused = requests.post(live.url + IC.upload, files=files, timeout=30)
            assert refused.status_code >= 500
            assert refused.json()["status"] != "success"
            assert requests.get(live.url + "/readyz", timeout=30).status_code == 503
        finally:
            live.kill()
        disk.repair()
        live = Live(disk.path, **SETTINGS).wait_ready()
        try:
            for answer in accepted:
                assert live.result(IC.result, answer)["state"] == "complete"
        finally:
            live.kill()
