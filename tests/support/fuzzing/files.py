"""Targets: ZIPs, label files, sections of models files, records, and messages of helpers."""

from __future__ import annotations

import io
import json
import socket
import tempfile
import zipfile
from pathlib import Path

from scai.errors import BadArchive, ConfigError, NotFound, ScaiError
from scai.jobs.batches.unzip import Unpacking
from scai.models import cards, labels, model
from scai.storage import json_files
from scai.storage.session import STATES, Session
from scai.worker.decoders import wire
from support.fuzzing.engine import Target

# Longest sentence for people, in characters.
LONGEST = 2000
MANY, LARGE = 5, 200_000


def expectation(error: ConfigError) -> str:
    """What was expected, in a few words without names; the kind of the error."""
    before, _, after = error.message.partition("expected ")
    return " ".join(after.split()[:3]) if after else "unreadable"


def zips() -> list[bytes]:
    """ZIPs of both methods, with folders, a comment and large fields."""
    files = {"a.jpg": b"x" * 2000, "folder/b.png": bytes(range(256)), "__MACOSX/._a": b""}
    answers = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            archive.comment = b"comment"
        answers.append(out.getvalue())
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("z", "w", force_zip64=True) as entry:
        entry.write(b"64")
    return [*answers, out.getvalue()]


def run_zip(data: bytes) -> str:
    """Unpack: files within the limits, or a refusal."""
    total, refusals = 0, set()
    try:
        unpacking = Unpacking(io.BytesIO(data), MANY, LARGE)
        assert len(unpacking.entries) <= MANY
        for entry in unpacking.entries:
            assert len(entry.name) <= 1000
            try:
                for piece in unpacking.read(entry):
                    total += len(piece)
                    assert total <= LARGE + 70_000
            except BadArchive as error:
                refusals.add(error.message[:30])
        return f"files {sorted(refusals)}"
    except BadArchive as error:
        assert len(error.message) < LONGEST
        return error.message[:30]


MAPS = [
    'item {\n  id: 1\n  name: "cat"\n  display_name: "Cat \\303\\251"\n}\n',
    "item < id: 2, name: 'a' 'b'; keypoints { id: 3 label: 'x' } >",
    '# comment\nitem: { id: 0x1f name: "\\x41\\n" }\n',
    "cat\ndog\nhorse\n",
]


def label_files() -> list[bytes]:
    """Label maps and plain lines."""
    return [text.encode() for text in MAPS]


def run_labels(data: bytes) -> str:
    """Read labels: ids and texts, or a sentence."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("labels.txt", "map.pbtxt"):
            path = Path(folder) / name
            path.write_bytes(data)
            try:
                found = labels.read(path)
                assert found and all(isinstance(key, int) for key in found)
                answer = "labels"
            except ConfigError as error:
                assert len(error.message) < LONGEST, len(error.message)
                answer = expectation(error)
    return answer


SECTION = """[model]
GRAPH = graph.pb
LABELS = labels.txt
INPUT_HEIGHT = 224
INPUT_MEAN = 127.5
RESIZE = area
TOP_K = 5
LABEL_OFFSET = -1
ENGINE = fake
USR_PATH = ./
CACHE = cache
THREADS = 2

[alias]
USE = model
"""


def sections() -> list[bytes]:
    """Models files of both kinds."""
    return [SECTION.encode(), SECTION.replace("GRAPH", "PATH_TO_CKPT").encode(), b"[a]\nuse=a\n"]


def run_sections(data: bytes) -> str:
    """Read every section: a card, or a sentence of what is wrong with it."""
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kind.config"
        config.write_bytes(data)
        for name in ("graph.pb", "labels.txt"):
            (Path(folder) / name).write_text("label\n")
        try:
            names = cards.sections(config)[:6]
        except ConfigError as error:
            assert len(error.message) < LONGEST
            return expectation(error)
        for name in names:
            for kind in (cards.CLASSIFICATION, cards.DETECTION):
                try:
                    model._read(kind, config, name, False, ())
                    answers.append("card")
                except ConfigError as error:
                    assert len(error.message) < 4 * LONGEST, len(error.message)
                    answers.append(expectation(error))
    return " ".join(sorted(set(answers)))


def records() -> list[bytes]:
    """Records as we write them and as a shell client does."""
    record = {"state": "initialization", "job": "image_classification", "key": "k", "attempts": 0}
    whole = {**record, "input_image": "input.jpg", "message": "", "created": 1.5, "threshold": 0.5}
    return [
        json_files.seal(whole),
        json.dumps(record).encode(),
        json.dumps(whole, indent=1).encode("utf-16"),
        b'{"state":"complete","key":"\\ud800","job":null,"input_image":"../x"}',
    ]


def run_records(data: bytes) -> str:
    """Read a session's record and result: an answer, or an error for people."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), "d-20260101-" + "0" * 40)
        session.path.mkdir()
        for name in ("process.json", "result.json"):
            (session.path / name).write_bytes(data)
        try:
            record = session.record()
            json_files.to_json(session.result(record))
            session.keyed_record("k", "image_classification")
            session.has_readable_result()
            try:
                assert session.input_of(record).parent == session.path
            except NotFound:
                pass
            state = record.get("state")
            return f"record {state in STATES} {len(record)}"
        except ScaiError as error:
            assert len(error.message) < LONGEST
            return f"{type(error).__name__} {error.message[:20]}"


def messages() -> list[bytes]:
    """Messages between worker and helper."""
    texts = (b"{}", b'{"rows": 2, "columns": 3, "width": 3}', b'{"error": {"code": "bad_image"}}')
    return [len(text).to_bytes(4, "big") + text for text in texts]


def run_messages(data: bytes) -> str:
    """Receive what a helper sent: objects, or an error of the channel."""
    ours, theirs = socket.socketpair()
    try:
        theirs.setblocking(False)
        theirs.send(data) if data else None
        theirs.close()
        channel, count = wire.Channel(ours), 0
        try:
            while True:
                assert isinstance(channel.receive(1), dict)
                count += 1
        except wire.WireError as error:
            return f"{min(count, 3)} {str(error)[:20]}"
    finally:
        ours.close()


ZIPS = Target(
    "zips",
    run_zip,
    zips,
    ("batches/unzip.py", "batches/zip_list.py"),
    (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"\xff\xff\xff\xff", b"\1\0\x18\0"),
)
LABELS = Target(
    "labels",
    run_labels,
    label_files,
    ("models/labels.py",),
    (b"item", b"{", b"}", b"<", b">", b"id:", b'name: "a"', b"\\", b"'", b"#", b"\xef\xbb\xbf"),
)
SECTIONS = Target(
    "sections",
    run_sections,
    sections,
    ("models/cards.py", "models/model.py"),
    (b"USE = ", b"[", b"]\n", b"=", b"%(", b"GRAPH = ", b"../", b"/", b"\0", b"inf", b"-1", b"1e9"),
)
RECORDS = Target(
    "records",
    run_records,
    records,
    ("storage/json_files.py", "storage/session.py"),
    (b'"key":', b"NaN", b"1e999", b"[[[[", b"\\ud800", b'"length":1,"checksum":"', b"null", b"}"),
)
MESSAGES = Target(
    "messages", run_messages, messages, ("decoders/wire.py",), (b"[[[[", b"{}", b"\0\0\0\2{}")
)
