"""Every refusal in JSON has the same keys and headers, whichever route gives it."""

from __future__ import annotations

import pytest
from support.inprocess import Site
from support.kinds import KINDS

from scai.errors import MISTAKE, Busy, NotFound, StorageFull
from scai.web import answers

FIVE_KEYS = {"status", "filename", "datetime", "sessname", "sesskey"}


def test_a_refusal_has_the_five_keys_and_a_problem_has_not() -> None:
    error = Busy("the queue is full", retry_after=60)
    assert answers.problem(error) == {
        "status": "error",
        "retry_after": 60,
        "error": "the queue is full",
        "code": "busy",
    }
    refusal = answers.refusal(error)
    assert set(refusal) - set(answers.problem(error)) == FIVE_KEYS - {"status"}
    assert refusal["sessname"] == refusal["error"] and refusal["sesskey"] == ""


def test_an_answer_is_stored_nowhere_and_says_when_to_come_back(site: Site) -> None:
    with site.http.application.test_request_context():
        plain = answers.send([1], 201)
        later = answers.send(answers.problem(Busy("full", retry_after=60)), 503)
    assert (plain.status_code, plain.get_json()) == (201, [1])
    assert plain.headers["Cache-Control"] == later.headers["Cache-Control"] == "no-store"
    assert "Retry-After" not in plain.headers and later.headers["Retry-After"] == "60"


def test_a_client_sees_errors_on_purpose_and_nothing_of_a_bug(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    purpose = NotFound("no such batch")
    with site.http.application.test_request_context("/batches/x"):
        assert answers.for_client(purpose) is purpose and not caplog.records
        assert answers.for_client(KeyError("secret")).message == MISTAKE
        assert isinstance(answers.for_client(OSError(28, "No space left")), StorageFull)
    assert all(record.exc_info for record in caplog.records) and len(caplog.records) == 2


@pytest.mark.parametrize(
    "path, five",
    [
        (KINDS[0].result, True),
        ("/models/image_classification/none/none.png", True),
        ("/nothing", True),
        ("/batches/none", False),
        ("/events", False),
    ],
)
def test_every_route_refuses_in_one_of_the_two_shapes(site: Site, path: str, five: bool) -> None:
    answer = site.http.get(path)
    assert answer.status_code in (400, 404)
    assert answer.headers["Cache-Control"] == "no-store"
    keys = set(answer.get_json())
    assert {"status", "error", "code"} <= keys
    assert (keys >= FIVE_KEYS) is five
