"""The routes of batches over HTTP, with queues in memory, for the tests of batches."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from typing import Any

import pytest
from flask.testing import FlaskClient

from scai.jobs.service import JobService
from scai.jobs.times import JobTimes
from scai.web.app import create_app
from support.helpers import picture
from support.inprocess import Site
from support.kinds import KINDS

IC, OD = (routes.name for routes in KINDS)
WHITE, BLACK = picture(color=(250, 250, 250)), picture(color=(3, 3, 3))
Answer = dict[str, Any]
# The server reads a batch again after a moment; the tests are faster than that.
LOOK_ALWAYS = JobTimes(batch_look=0.0, batch_look_all=0.0)


class Client:
    """The routes of batches, with settings changed for one test."""

    def __init__(self, site: Site, **changes: Any) -> None:
        self.site = site
        self.settings = dataclasses.replace(site.settings, **{"max_waiting": 1000, **changes})
        self.service = JobService(self.settings, site.queues, times=LOOK_ALWAYS)
        self.http: FlaskClient = create_app(self.service, self.settings).test_client()

    def create(self, *photos: tuple[str, bytes], status: int = 201, **fields: Any) -> Answer:
        return self._sent("/batches", photos, status, {"kind": IC, **fields})

    def add(
        self, batch: Answer, *photos: tuple[str, bytes], status: int = 200, **fields: Any
    ) -> Answer:
        path = f"/batches/{batch['id']}/photos?key={batch['key']}"
        return self._sent(path, photos, status, fields)

    def _sent(self, path: str, photos: Any, status: int, fields: Answer) -> Answer:
        files = {"photo": [(io.BytesIO(data), name) for name, data in photos]} if photos else {}
        answer = self.http.post(
            path, data={**fields, **files}, content_type="multipart/form-data", buffered=True
        )
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()

    def send_zip(self, data: bytes, status: int = 201, **fields: Any) -> Answer:
        fields = {"kind": IC, "archive": (io.BytesIO(data), "photos.zip"), **fields}
        answer = self.http.post("/batches", data=fields, buffered=True)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()

    def document(self, batch: Answer, **query: Any) -> Answer:
        query = {"key": batch["key"], **query}
        answer = self.http.get(f"/batches/{batch['id']}", query_string=query)
        assert answer.status_code == 200
        return answer.get_json()

    def work(self, kind: str = IC) -> None:
        worker = self.site.workers[kind]
        while len(self.site.queues[kind]):
            worker.step()


def zipped(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def client(site: Site) -> Client:
    return Client(site)
