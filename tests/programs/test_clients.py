"""Every way to be a client of a running server: shell script, curl, the scai command."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from PIL import Image
from support.helpers import picture
from support.kinds import KINDS
from support.live import IC, OBJECTS, OD, Live, digit

from scai.kinds import Kind

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("routes", KINDS, ids=lambda r: r.name)

SHELL_CLIENT = """
set -eu
random="$(od -An -N14 -tx1 /dev/urandom | tr -d ' \\n')"
name="d-$(date +%Y%m%d)-$(printf %012x "$(date +%s%3N)")$random"
mkdir "$SESSIONS/$name"
cp "$PHOTO" "$SESSIONS/$name/input.png"
cat > "$SESSIONS/$name/process.json" <<END
{"state": "initialization", "job": "image_classification", "key": "k", "input_image": "input.png",
 "message": "", "result": "", "result_image": ""}
END
: > "$POOL/$name"
i=0
until grep -Eq '"state": *"(complete|failure)"' "$SESSIONS/$name/process.json"; do
    i=$((i + 1)); [ $i -lt 300 ] || exit 1
    sleep 0.1
done
cat "$SESSIONS/$name/process.json"
"""


def test_a_shell_script_is_a_full_client(live: Live, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(digit())
    environment = {
        "PATH": "/usr/bin:/bin",
        "SESSIONS": str(live.sessions),
        "POOL": str(live.pools[IC.name]),
        "PHOTO": str(tmp_path / "photo.png"),
    }
    done = subprocess.run(
        ["sh", "-c", SHELL_CLIENT], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["state"] == "complete"
    assert set(json.loads(record["result"])) < OBJECTS
    assert record["key"] == "k"


def digits(routes: Kind) -> list[str]:
    """What asks for the model that reads digits, where it is not the default."""
    return ["-F", "model=digits"] if routes is IC else []


@BOTH
def test_curl_uploads_and_waits(live: Live, tmp_path: Path, routes: Kind) -> None:
    (tmp_path / "photo.png").write_bytes(digit())

    def curl(*arguments: str) -> dict:
        done = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", *arguments], capture_output=True, text=True
        )
        return json.loads(done.stdout)

    answer = curl(
        "-F", f"photo=@{tmp_path / 'photo.png'}", *digits(routes), live.url + routes.upload
    )
    assert answer["status"] == "success"
    query = f"task={answer['sessname']}&key={answer['sesskey']}&wait=30"
    result = curl(f"{live.url}{routes.result}?{query}")
    assert result["state"] == "complete"
    assert result["predictions"][0]["label"] == "3"
    if routes is OD:
        png = requests.get(f"{live.url}{routes.output}?{query}", timeout=30).content
        assert Image.open(io.BytesIO(png)).size == (200, 200)


@pytest.mark.parametrize("how", ["-T", "--data-binary"])
def test_curl_sends_a_bare_body(live: Live, tmp_path: Path, how: str) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(digit())
    source = str(photo) if how == "-T" else f"@{photo}"
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "--noproxy",
            "*",
            how,
            source,
            f"{live.url}{IC.upload}?model=digits&top_k=2",
        ],
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    assert answer["status"] == "success", answer
    result = live.result(IC.result, answer)
    assert [row["label"] for row in result["predictions"]][0] == "3"
    assert len(result["predictions"]) == 2


def test_a_file_over_the_limit_is_refused_over_a_real_connection(live: Live) -> None:
    answer = requests.post(
        live.url + IC.upload, files={"photo": ("a.jpg", picture() + b"x" * 21_000_000)}, timeout=30
    )
    assert answer.status_code == 413
    assert "20 MB" in answer.json()["sessname"]


def test_scai_submit_and_status(live: Live, tmp_path: Path) -> None:
    (tmp_path / "three.png").write_bytes(digit())

    def scai(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "scai.cli", *arguments],
            env={**live.environment, "SCAI_SERVER": live.url},
            capture_output=True,
            text=True,
            timeout=60,
        )

    photo = str(tmp_path / "three.png")
    done = scai("submit", photo, "--model", "digits")
    assert done.returncode == 0, done.stderr
    assert re.search(r"3 +\d+\.\d%", done.stdout)
    done = scai("submit", photo, "--job=detection", "--json", "--out", str(tmp_path / "o.png"))
    output = json.loads(done.stdout)
    assert output["state"] == "complete" and output["predictions"]
    assert Image.open(io.BytesIO((tmp_path / "o.png").read_bytes())).size == (200, 200)
    done = scai("submit", photo, "--no-wait", "--json")
    assert re.fullmatch(r"[0-9a-f]{40}", json.loads(done.stdout)["key"])
    done = scai("submit", "nothing.jpg")
    assert (done.returncode, done.stderr) == (1, "scai: nothing.jpg: No such file or directory\n")
    (tmp_path / "note.txt").write_text("hello")
    done = scai("submit", str(tmp_path / "note.txt"))
    assert done.returncode == 1 and "not supported file format" in done.stderr
    status = json.loads(scai("status", "--json").stdout)
    assert {q["kind"]: len(q["workers"]) for q in status} == {IC.name: 1, OD.name: 1}
    assert "ready" in scai("status").stdout
    assert re.fullmatch(r"scai, version \d+\.\d+\.\d+\n", scai("--version").stdout)
    done = scai("submit", photo, "--server", "http://127.0.0.1:9")
    assert done.returncode == 1 and "no answer from http://127.0.0.1:9" in done.stderr
