"""Forms under way stay within a budget of memory, whatever their shape, and leave nothing."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.helpers import open_below, picture, wait_until
from support.inprocess import Site
from support.kinds import IC
from support.lone_portal import LonePortal, lone_portal
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wrappers import Request

from scai.errors import Busy
from scai.processes import memory
from scai.storage.memory_budget import MemoryBudget
from scai.web.forms import IN_REQUEST, fields_of, form_of

LIMIT = 2_000_000


def photo(size: int, name: str = "a.jpg", field: str = "photo") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + b"x" * size + b"\r\n"


def text(name: str, size: int) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + b"x" * size + b"\r\n"


def request(body: bytes, missing: int = 0) -> Request:
    """A request whose client goes when `missing` bytes have not come yet."""
    stream = io.BytesIO(body)
    made = Request.from_values(
        "/", method="POST", input_stream=stream, content_type="multipart/form-data; boundary=b"
    )
    made.environ["CONTENT_LENGTH"] = str(len(body) + missing)
    made.max_form_parts, made.max_form_memory_size = 1000, 500_000
    return made


def test_a_form_holds_no_more_than_its_share(tmp_path: Path) -> None:
    memory, body = MemoryBudget(10 * IN_REQUEST), photo(900_000) * 20 + b"--b--\r\n"
    with form_of(request(body), "photo", tmp_path, LIMIT, memory=memory) as form:
        assert IN_REQUEST - 900_000 <= memory.held <= IN_REQUEST
        contents = [each.picture for each in form.photos]
        data = [each if isinstance(each, bytes) else each.read_bytes() for each in contents]
        assert data == [b"x" * 900_000] * 20
        assert open_below(tmp_path) == []  # else a thousand photos take a thousand descriptors
    assert memory.held == 0 and list(tmp_path.iterdir()) == []


def test_many_forms_hold_no_more_than_the_budget(tmp_path: Path) -> None:
    memory, body = MemoryBudget(10_000_000), photo(400_000) * 40 + b"--b--\r\n"
    with ExitStack() as stack:
        for _ in range(5):
            form = form_of(request(body), "photo", tmp_path, LIMIT, memory=memory)
            assert len(stack.enter_context(form).photos) == 40
        assert 9_000_000 < memory.held <= 10_000_000
        # A small form, too, finds its place on the disk.
        small = request(photo(400_000) + b"--b--\r\n")
        [only] = stack.enter_context(form_of(small, "photo", tmp_path, LIMIT, memory=memory)).photos
        assert isinstance(only.picture, Path)
    assert memory.held == 0 and list(tmp_path.iterdir()) == []


def test_a_form_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    memory, body = MemoryBudget(3_000_000), photo(900_000) * 9
    with (
        pytest.raises(ClientDisconnected),
        form_of(request(body, missing=1), "photo", tmp_path, LIMIT, memory=memory),
    ):
        pytest.fail("a form")
    assert memory.held == 0 and list(tmp_path.iterdir()) == []


def test_files_that_nobody_asked_for_take_neither_memory_nor_disk(tmp_path: Path) -> None:
    memory = MemoryBudget(100_000)
    body = photo(900_000, field="other") * 3 + photo(1000) + b"--b--\r\n"
    with form_of(request(body), "photo", tmp_path, LIMIT, memory=memory) as form:
        assert [each.picture for each in form.photos] == [b"x" * 1000]
        assert list(tmp_path.iterdir()) == [] and memory.held == 1000


@pytest.mark.parametrize("small_body", [0, 2_000_000])
def test_all_fields_together_have_a_limit(tmp_path: Path, small_body: int) -> None:
    """Each of these is short enough."""
    body = b"".join(text(f"n{n}", 60_000) for n in range(9)) + b"--b--\r\n"
    with (
        pytest.raises(RequestEntityTooLarge),
        form_of(request(body), "photo", tmp_path, LIMIT, small_body=small_body),
    ):
        pass


def test_fields_that_find_no_room_wait(tmp_path: Path) -> None:
    memory, body = MemoryBudget(10_000), text("x", 20_000) + photo(10) + b"--b--\r\n"
    with (
        pytest.raises(Busy) as refusal,
        form_of(request(body), "photo", tmp_path, LIMIT, memory=memory),
    ):
        pass
    assert refusal.value.details["retry_after"] > 0 and memory.held == 0
    with pytest.raises(Busy):
        fields_of(request(body), 500_000, MemoryBudget(10_000))


@pytest.mark.parametrize(
    "path, status", [(IC.upload, 200), ("/batches", 201), ("/photo", 303), ("/batch", 303)]
)
def test_every_form_is_counted_and_given_back(site: Site, path: str, status: int) -> None:
    """A form that takes part in the budget is one that can find it empty: then fields wait."""
    budget: MemoryBudget = site.http.application.config["FORM_MEMORY"]
    assert budget.limit == 256_000_000
    form = {
        "csrf_token": site.csrf_token("/history"),
        "kind": IC.name,
        "photo": (io.BytesIO(picture()), "a.jpg"),
    }
    answer = site.http.post(path, data=form)
    assert answer.status_code == status and budget.held == 0
    assert budget.acquire(budget.limit)
    form["photo"] = (io.BytesIO(picture()), "a.jpg")
    busy = site.http.post(path, data=form)
    assert busy.status_code == 503
    assert int(busy.headers["Retry-After"]) > 0
    assert budget.held == budget.limit


@pytest.mark.parametrize("path", [IC.upload, "/batches", "/photo", "/batch"])
def test_ten_thousand_parts_are_refused(site: Site, path: str) -> None:
    body = text("x", 1) * 10_000 + b"--b--\r\n"
    answer = site.http.post(path, data=body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 400


@pytest.mark.slow
def test_unfinished_forms_take_little_memory_of_a_portal(tmp_path: Path) -> None:
    """Six forms of 60 MB each, none of which ends, in a portal with 20 MB for all of them."""
    with lone_portal(tmp_path, SCAI_MAX_FORM_MEMORY_MB="20") as portal:
        send_unfinished_forms(portal)


def send_unfinished_forms(portal: LonePortal) -> None:
    port, pid, folder = portal.port, portal.pid, portal.sessions
    before = memory(pid) or 0
    clients: list[socket.socket] = []

    def send() -> None:
        client = socket.create_connection(("127.0.0.1", port))
        clients.append(client)
        head = "POST /batches?kind=image_classification HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        kind = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 70000000\r\n\r\n"
        client.sendall((head + kind).encode())
        for _ in range(60):
            client.sendall(photo(980_000))

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(120)
    try:

        def on_disk() -> int:
            return sum(file.stat().st_size for file in folder.iterdir())

        # All of it has been read as soon as what is not in memory lies on the disk.
        wait_until(lambda: on_disk() > 6 * 59_000_000 - 30_000_000, 60, "all has arrived")
        assert (memory(pid) or 0) - before < 120_000_000
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: not list(folder.glob(".up-*")), 60, "nothing is left")
