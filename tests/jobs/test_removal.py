"""Sessions are removed by their clients: never while they run, and with all that they hold."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support import streams
from support.helpers import picture, wait_until
from support.inprocess import Site
from support.kinds import IC, KINDS, OD
from support.streams import Answer, Folder, remove

from scai.kinds import Kind
from scai.storage.session import Session

folder = streams.folder


def test_removing_takes_the_ticket_first_so_that_it_never_runs(site: Site) -> None:
    answer, other = site.post(IC, picture()), site.post(IC, picture())
    assert remove(site, IC, answer) == (200, {"status": "success", "sessname": answer["sessname"]})
    assert len(site.queues[IC.name]) == 1
    assert not (site.settings.sessionpath / answer["sessname"]).exists()
    assert site.get(IC.result, answer)["code"] == "not_found"
    site.workers[IC.name].step()
    assert site.get(IC.result, other)["state"] == "complete"
    assert site.queues[IC.name].held() == {}


@pytest.mark.parametrize("routes", KINDS, ids=lambda routes: routes.name)
def test_removing_what_is_final(site: Site, routes: Kind) -> None:
    answer = site.post(routes, picture())
    site.workers[routes.name].step()
    assert remove(site, routes, answer)[0] == 200
    assert remove(site, routes, answer)[0] == 404
    assert list(site.settings.sessionpath.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"key": "0" * 40}, {"key": ""}, {"task": "../session"}], ids=str)
def test_removing_needs_the_key(site: Site, wrong: Answer) -> None:
    answer = site.post(IC, picture())
    status, refused = remove(site, IC, answer, **wrong)
    assert (status, refused["code"], refused["status"]) == (404, "not_found", "error")
    assert remove(site, OD, answer)[0] == 404
    assert site.get(IC.result, answer)["state"] == "initialization"


def test_what_is_being_recognised_is_not_removed(site: Site) -> None:
    answer = site.post(IC, picture())
    session = Session(site.settings.sessionpath, answer["sessname"])
    (claim,) = site.queues[IC.name].claim(1, 0)
    with session.lock():
        status, refused = remove(site, IC, answer)
    assert (status, refused["code"]) == (409, "in_use")
    # Claimed, but not locked yet: the worker is on its way to it.
    assert remove(site, IC, answer)[0] == 409
    claim.give_back()
    site.workers[IC.name].step()
    assert site.get(IC.result, answer)["state"] == "complete"
    assert remove(site, IC, answer)[0] == 200


def test_removing_never_follows_a_link(site: Site, tmp_path: Path) -> None:
    answer = site.post(IC, picture())
    session = site.settings.sessionpath / answer["sessname"]
    elsewhere = tmp_path / "elsewhere"
    session.rename(elsewhere)
    session.symlink_to(elsewhere)
    assert remove(site, IC, answer)[0] == 404
    session.unlink()
    elsewhere.rename(session)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    (session / "link").symlink_to(precious)
    assert remove(site, IC, answer)[0] == 200
    assert (precious / "file").read_text() == "keep"


def test_a_held_job_is_removed_with_its_hold_file(folder: Folder) -> None:
    session = folder.session()
    claim = folder.queue.claim_one(session.name)
    assert claim is not None
    assert not folder.queue.withdraw(session.name)
    claim.hold("for a person")
    assert folder.queue.withdraw(session.name)
    assert folder.queue.held() == {}


def test_workers_and_removals_that_race_leave_nothing_half(tmp_path: Path) -> None:
    site = Site(tmp_path, max_waiting=1000)
    answers = [site.post(IC, picture()) for _ in range(40)]
    statuses: list[int] = []

    def remove_all() -> None:
        statuses.extend(remove(site, IC, answer)[0] for answer in answers)

    remover = threading.Thread(target=remove_all)
    remover.start()
    worker = site.workers[IC.name]
    wait_until(lambda: worker.step() == 0 and not remover.is_alive())
    remover.join()
    for status, answer in zip(statuses, answers, strict=True):
        assert status in (200, 409)
        result = site.get(IC.result, answer)
        assert result.get("state" if status == 409 else "code") == (
            "complete" if status == 409 else "not_found"
        )
    assert site.queues[IC.name].held() == {}
    assert len(site.queues[IC.name]) == 0
    site.close()
