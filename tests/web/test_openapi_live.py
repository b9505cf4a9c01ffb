"""Schemathesis over the API: does the server do what its description says, whatever is sent?

Good and bad values of every operation, and whole ways from an upload to its end.
"""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import strategies
from schemathesis.engine import from_schema
from support.helpers import picture
from support.inprocess import Site

from scai.jobs.service import JobService
from scai.web.app import create_app

pytestmark = pytest.mark.slow

# Seeded, and few of each: it ends within half a minute.
CONFIG = """
seed = 20261121

[generation]
max-examples = {examples}
deterministic = true
database = "none"

# As many keys as tasks: a schema cannot say so.
[[operations]]
include-path = "/events"
checks.positive_data_acceptance.enabled = false

# Which models are of which kind: a schema cannot say so.
[[operations]]
include-path = "/batches"
checks.positive_data_acceptance.enabled = false

# To HTTP, "x.csv" might be the name of a batch, and that could be deleted.
[[operations]]
include-path = "/batches/{{id}}.csv"
checks.allow_header_conformance.enabled = false
"""


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("folder/a.jpg", picture())
    return out.getvalue()


@pytest.fixture
def real_files() -> Iterator[None]:
    """Good values of files are files; the bad ones remain what they are."""
    pictures = [picture(), picture((5, 3), format="PNG"), picture((9, 9), format="WEBP")]
    schemathesis.openapi.format("binary", strategies.sampled_from(pictures))
    schemathesis.openapi.format("zip", strategies.just(archive()))
    schemathesis.openapi.media_type("application/octet-stream", strategies.sampled_from(pictures))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def failures(schema: Any) -> tuple[list[str], set[str]]:
    """What the server does that the description does not say, and the operations looked at."""
    found: dict[tuple[str, str, str], str] = {}
    seen: set[str] = set()
    for event in from_schema(schema).execute():
        name = type(event).__name__
        assert name not in ("FatalError", "NonFatalError"), getattr(event, "info", event)
        if name != "ScenarioFinished":
            continue
        for case, checks in event.recorder.checks.items():
            label = event.recorder.cases[case].value.operation.label
            seen.add(label)
            for check in checks:
                if check.failure_info is not None:
                    failure = check.failure_info.failure
                    status = getattr(failure, "status_code", "")
                    found[label, check.name, failure.title] = f"{status} {failure.message}"
    return [f"{' / '.join(key)}: {message}" for key, message in found.items()], seen


def operations(schema: Any) -> set[str]:
    return {result.ok().label for result in schema.get_all_operations()}


# The client in this process leaves it to the collector to close the files of answers.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_application_does_what_its_description_says(site: Site, real_files: None) -> None:
    settings = replace(
        site.settings, max_waiting=10**6, max_wait=0.02, runningmode="job", threads=16
    )
    for queue in site.queues.values():
        queue.announce(runner=True)  # without one, it is not ready, and says so by 503
        queue.beat()
    app = create_app(JobService(settings, site.queues), settings)
    config = schemathesis.Config.from_str(CONFIG.format(examples=3))
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app, config=config)
    found, seen = failures(schema)
    assert found == []
    assert seen == operations(schema)


def test_a_running_server_does_what_its_description_says(live: Any, real_files: None) -> None:
    config = schemathesis.Config.from_str(CONFIG.format(examples=3))
    schema = schemathesis.openapi.from_url(f"{live.url}/openapi.json", config=config)
    found, seen = failures(schema)
    assert found == []
    assert seen == operations(schema)
