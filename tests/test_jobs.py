"""Job mode's runner, one turn at a time, without a process."""

from collections.abc import Callable
from pathlib import Path

from helpers import KIND

from scai.jobs import Failing, JobRunner
from scai.queues.base import Job
from scai.session import Session
from scai.settings import Settings

Make = Callable[..., Session]


def runner(tmp_path: Path, sessions: Path) -> JobRunner:
    pools = tmp_path / "pooling"
    settings = Settings(
        sessionpath=sessions, icpoolpath=pools / KIND, odpoolpath=pools / "object_detection"
    )
    return JobRunner(settings, [KIND])


def test_a_session_that_somebody_holds_is_never_held_without_a_verdict(
    tmp_path: Path, sessions: Path, new_session: Make
) -> None:
    jobs, session = runner(tmp_path, sessions), new_session()
    queue = jobs._queues[KIND]
    queue.put(Job(session.name, KIND))
    jobs._failing[session.name] = Failing(times=3)
    with session.lock():
        jobs.step()
    assert queue.held() == {} and len(queue) == 1
    jobs._failing[session.name] = Failing(times=3)
    jobs.step()
    assert session.state == "failure"
    assert "could not begin to run it" in queue.held()[session.name]
    queue.close()
