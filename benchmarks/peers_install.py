"""Other inference servers, each installed by pip into a virtual environment of its own."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import progress
from scai.settings import ROOT

FOLDER = ROOT / ".cache" / "bench" / "peers"
PROGRAMS = Path(__file__).resolve().parent / "peer_programs"
# Seconds; TensorFlow alone has hundreds of MB.
_LONGEST_INSTALL = 900


class NotInstalled(Exception):
    """The peer's packages cannot be installed; the text is the reason in one line."""


@dataclass(frozen=True)
class Peer:
    """A server to compare with.

    `command` starts a program in the environment's `bin`, with {port}, {cores} and {programs}
    filled in. `settings` are sets of environment variables by name; the fastest set is measured.
    `shares` names a peer whose installation it uses; `folder` holds all installations.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    settings: dict[str, dict[str, str]] = field(default_factory=lambda: {"": {}})
    shares: str = ""
    folder: Path = FOLDER

    @property
    def home(self) -> Path:
        """Folder of its virtual environment."""
        return self.folder / (self.shares or self.name)

    @property
    def bin(self) -> Path:
        """Folder of the programs of its environment."""
        return self.home / "bin"

    def versions(self) -> str:
        """Return the versions of the packages as `name==version` in one line."""
        marker = self.home / "versions.txt"
        lines = marker.read_text().splitlines() if marker.exists() else []
        names = {package.lower().replace("_", "-") for package in self.packages}
        matches = [line for line in lines if line.split("==")[0].lower().replace("_", "-") in names]
        return ", ".join(matches)


def _openvino_settings(precision: str) -> dict[str, dict[str, str]]:
    own = {"PEER_PRECISION": precision}
    return {
        "one worker, batches of 8": {**own, "PEER_BATCH": "8"},
        "one worker, batches of 16": {**own, "PEER_BATCH": "16"},
        "one worker, one by one": {**own, "PEER_BATCH": "1"},
        "two workers of one thread": {
            **own,
            "PEER_BATCH": "1",
            "PEER_WORKERS": "2",
            "PEER_THREADS": "1",
        },
    }


_TENSORFLOW = ("tensorflow-cpu", "pillow")
_OPENVINO = ("litserve", "python-multipart", "openvino", "opencv-python-headless")
_OPENVINO_COMMAND = ("python", "{programs}/litserve_openvino.py", "{port}")
PEERS = (
    Peer(
        "flask-tensorflow",
        "Flask, gunicorn 1x16 threads, TensorFlow",
        ("flask", "gunicorn", *_TENSORFLOW),
        (
            *("gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "16"),
            *("--bind", "127.0.0.1:{port}", "--chdir", "{programs}", "flask_tensorflow:app"),
        ),
    ),
    Peer(
        "litserve-tensorflow",
        "LitServe, TensorFlow, batching",
        ("litserve", "python-multipart", *_TENSORFLOW),
        ("python", "{programs}/litserve_tensorflow.py", "{port}"),
    ),
    Peer(
        "bentoml-tensorflow",
        "BentoML, TensorFlow, batching",
        ("bentoml", *_TENSORFLOW),
        (
            *("bentoml", "serve", "bentoml_tensorflow:Classifier", "--working-dir", "{programs}"),
            *("--host", "127.0.0.1", "--port", "{port}"),
        ),
    ),
    Peer(
        "litserve-openvino",
        "LitServe, OpenVINO, float32",
        _OPENVINO,
        _OPENVINO_COMMAND,
        settings=_openvino_settings("f32"),
    ),
    # OpenVINO's default: bfloat16 where the processor supports it.
    Peer(
        "litserve-openvino-default",
        "LitServe, OpenVINO, its own precision",
        _OPENVINO,
        _OPENVINO_COMMAND,
        settings=_openvino_settings(""),
        shares="litserve-openvino",
    ),
)


def install(peer: Peer) -> None:
    """Make the peer's environment unless it exists. Raises NotInstalled."""
    marker = peer.home / "versions.txt"
    if marker.exists():
        return
    progress(f"installing {peer.title}: {', '.join(peer.packages)}")
    venv.create(peer.home, with_pip=True, clear=True)
    python = str(peer.bin / "python")
    try:
        _pip(python, "install", "--quiet", *peer.packages)
        marker.write_text(_pip(python, "freeze"))
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"the installation took more than {_LONGEST_INSTALL} s") from None


def _pip(python: str, *arguments: str) -> str:
    process = subprocess.run(
        [python, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        timeout=_LONGEST_INSTALL,
    )
    if process.returncode:
        last = [line for line in process.stderr.splitlines() if line.strip()][-1:]
        raise NotInstalled(last[0][:200] if last else "pip failed")
    return process.stdout


def main() -> None:
    """Install every peer; reports those that cannot be installed."""
    for peer in PEERS:
        try:
            install(peer)
            print(f"{peer.title}: {peer.versions()}")
        except NotInstalled as error:
            print(f"{peer.title}: not installed: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
