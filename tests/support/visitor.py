"""Asks the portal, in a process of its own, for all it has; `python visitor.py FOLDER`.

Prints the modules, of those named behind the folder, that this process has loaded then.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import index  # noqa: E402, F401
import scai.cli.__main__  # noqa: E402
import scai.programs.portal  # noqa: E402, F401
from scai import kinds, settings  # noqa: E402
from scai.jobs import service  # noqa: E402
from scai.web import app  # noqa: E402

KINDS = list(kinds.load().values())


def visit(folder: Path) -> None:
    """Every page and document, a photo of each kind, a batch, its events, and all as a ZIP."""
    pools = {"icpoolpath": str(folder / "i"), "odpoolpath": str(folder / "o")}
    found = settings.load({"sessionpath": str(folder / "s"), **pools}, {})
    portal = app.create_app(service.build(found), found)
    http = portal.test_client()
    # Without a worker the portal is not ready; without a task there is nothing to tell.
    expected = {"/events": 400, "/readyz": 503, "/photo": 404}
    for rule in portal.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments:
            status = http.get(rule.rule, buffered=True).status_code
            status_expected = expected.get(rule.rule, 404 if rule.rule.count("/") > 1 else 200)
            assert status == status_expected, f"{rule.rule}: {status}"
    photo = (ROOT / "static" / "samples" / "frog.webp").read_bytes()
    for routes in KINDS:
        sent = http.put(routes.upload, data=photo).get_json()
        key = {"task": sent["sessname"], "key": sent["sesskey"]}
        for path in (routes.result, routes.input, "/photo"):
            assert http.get(path, query_string=key, buffered=True).status_code == 200, path
    with http.get("/events", query_string=key) as events:
        parts = iter(events.response)
        assert b"event: state" in next(parts) + next(parts)
    token = re.search(r'name="csrf_token" value="(\w+)"', http.get("/history").text)
    assert token
    photos = json.dumps([{"kind": KINDS[-1].name, **key}])
    form = {"csrf_token": token[1], "photos": photos}
    assert zipfile.ZipFile(io.BytesIO(http.post("/history/export", data=form).data)).namelist()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        written.writestr("frog.webp", photo)
    data = {"kind": KINDS[0].name, "archive": (io.BytesIO(packed.getvalue()), "photos.zip")}
    batch = http.post("/batches", data=data).get_json()
    for path in (f"/batches/{batch['id']}", f"/batches/{batch['id']}.csv"):
        got = http.get(path, query_string={"key": batch["key"]}, buffered=True)
        assert got.status_code == 200, path
    page = {"id": batch["id"], "key": batch["key"], "plain": "1"}
    assert http.get("/batch", query_string=page).status_code == 200


if __name__ == "__main__":
    visit(Path(sys.argv[1]))
    print(*(name for name in sys.argv[2:] if name in sys.modules))
