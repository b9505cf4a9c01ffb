"""The application as a whole: headers, health, and what it must not load."""

import subprocess
import sys
import tempfile

from inprocess import Site

from scai import settings
from scai.routes import ROUTES
from scai.settings import ROOT

IC, OD = ROUTES


def test_every_answer_carries_the_security_headers(site: Site) -> None:
    for path in ("/", IC.upload, IC.result, IC.input, "/healthz", "/nothing"):
        headers = site.http.get(path, buffered=True).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_health(site: Site) -> None:
    assert site.http.get("/healthz").get_json() == {"status": "ok"}
    ready = site.http.get("/readyz")
    assert (ready.status_code, ready.get_json()["disk_writable"]) == (503, True)
    assert site.http.get("/version").get_json()["version"]


def test_the_portal_loads_no_model_library() -> None:
    """Importing the portal and building its application leaves these out of the process."""
    code = (
        "import sys, index, scai.cli, scai.portal, scai.service; from scai import app, settings\n"
        "s = settings.load({'sessionpath': sys.argv[1] + '/s', 'icpoolpath': sys.argv[1] + '/i',"
        " 'odpoolpath': sys.argv[1] + '/o'}, {})\n"
        "app.create_app(scai.service.build(s), s).test_client().get('/')\n"
        "print([m for m in ('tensorflow', 'openvino', 'ai_edge_litert', 'cv2', 'keras')"
        " if m in sys.modules])"
    )
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True
        )
    assert done.stdout.strip() == "[]", done.stderr


def test_settings_defaults_are_the_contracts() -> None:
    found = settings.load({}, {}, None)
    assert (found.host, found.port, found.runningmode) == ("127.0.0.1", 5000, "runtime")
    assert found.max_upload_bytes == 20_000_000 and found.max_pixels == 50_000_000
