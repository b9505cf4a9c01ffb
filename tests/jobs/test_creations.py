"""One client cannot use up the inodes of the disk by empty batches."""

from __future__ import annotations

import pytest
from support.batch_client import Client
from support.helpers import Clock
from support.inprocess import Site

from scai.errors import ClientLimit
from scai.jobs.batches.creations import Creations


def test_a_client_makes_so_many_batches_an_hour_and_others_are_not_concerned() -> None:
    clock = Clock(1000.0)
    creations = Creations(2, clock)
    creations.count("one"), creations.count("one"), creations.count("two")
    with pytest.raises(ClientLimit) as caught:
        creations.count("one")
    assert caught.value.details["retry_after"] == 600
    clock.now += 3590
    with pytest.raises(ClientLimit) as caught:
        creations.count("one")
    assert caught.value.details["retry_after"] == 10
    clock.now += 10
    creations.count("one")


def test_without_a_bound_or_a_client_nothing_is_counted() -> None:
    for creations, client in ((Creations(0), "one"), (Creations(1), "")):
        for _ in range(10):
            creations.count(client)


def test_further_batches_are_refused_with_429_and_leave_nothing(site: Site) -> None:
    client = Client(site, max_batches_per_client=3)
    for _ in range(3):
        client.create()
    folders = sorted(site.settings.sessionpath.iterdir())
    refusal = client.create(status=429)
    assert refusal["code"] == "client_limit" and refusal["retry_after"] == 600
    assert refusal["setting"] == "max_batches_per_client"
    assert sorted(site.settings.sessionpath.iterdir()) == folders
