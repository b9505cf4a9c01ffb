"""The portal as a process: what it says at its start."""

from __future__ import annotations

import logging

import pytest

from scai.programs.portal import say_who_may_come
from scai.settings import Settings


@pytest.mark.parametrize(
    "host, told",
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.20", True),
        ("lab3", True),
    ],
)
def test_the_log_says_if_others_can_reach_the_portal(
    host: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    say_who_may_come(Settings(host=host))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * told
    assert all(host in record.getMessage() for record in caplog.records)
