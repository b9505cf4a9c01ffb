"""A helper decodes for the worker, and can do nothing else; whatever it does harms one input."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import toy_decoder
from support.helpers import Clock, picture, wait_until
from support.pictures import FORMATS, corners, saved

from scai.errors import BadImage, OutOfResources, ScaiError, TooExpensive
from scai.pictures.header import Limits
from scai.pictures.pixels import read_picture
from scai.worker.decoders.helper import Helper, HelperDied, Interrupted, Terms
from scai.worker.decoders.pool import HelperPool, NoHelper
from scai.worker.decoders.wire import MAX_MESSAGE, Channel, SharedMemory, WireError


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield toy_decoder.install(tmp_path_factory.mktemp("toy"), monkeypatch)


@pytest.fixture(scope="module")
def any_helper(toy: str) -> Iterator[list[Helper]]:
    """A helper for many tests, in a list of one."""
    helpers = [Helper(toy_decoder.terms(toy))]
    yield helpers
    helpers[0].end()


@pytest.fixture
def helper(toy: str, any_helper: list[Helper]) -> Helper:
    if any_helper[0].is_ended:
        any_helper[0] = Helper(toy_decoder.terms(toy))
    return any_helper[0]


@pytest.fixture
def pool(toy: str) -> Iterator[HelperPool]:
    pool = HelperPool(toy_decoder.terms(toy), keep=1)
    yield pool
    pool.close()


def ask(helper: Helper | HelperPool, text: str, needed: int = 1000) -> int:
    """The level of the pixels that the toy decoder returns."""
    return int(helper.decode(text.encode(), None, needed).pixels[0, 0, 0])


@pytest.mark.parametrize("least", [None, (8, 8)])
def test_a_helper_decodes_each_format_as_the_worker_does(least: tuple[int, int] | None) -> None:
    helper = Helper(Terms("scai.pictures.pixels:read_picture", Limits(), 20, 500_000_000))
    try:
        for format in FORMATS:
            data = saved(corners(), format)
            theirs, ours = helper.decode(data, least, 1000), read_picture(data, Limits(), least)
            assert (theirs.pixels == ours.pixels).all()
            assert (theirs.width, theirs.height) == (ours.width, ours.height)
        with pytest.raises(BadImage) as caught:
            helper.decode(picture((640, 480))[:-20] + b"\xff\xd9", None, 1000)
        assert caught.value.details["stage"] == "decode"
    finally:
        helper.end()


def test_one_helper_decodes_one_input_after_the_other(helper: Helper) -> None:
    assert [ask(helper, f"good {level}") for level in (1, 2, 3)] == [1, 2, 3]
    assert helper.decode(b"large 900", None, 1).pixels.shape == (900, 900, 3)
    assert ask(helper, "good 4") == 4


def test_errors_of_the_decoder_arrive_as_themselves(helper: Helper) -> None:
    with pytest.raises(BadImage, match="cut off") as caught:
        ask(helper, "refuse cut off")
    assert caught.value.details == {"stage": "decode"}
    with pytest.raises(ScaiError) as mistake:
        ask(helper, "mistake secret")
    assert (mistake.value.code, "secret" in mistake.value.message) == ("internal", False)
    assert ask(helper, "good 4") == 4


@pytest.mark.parametrize(("what", "how"), [("crash", "SIGSEGV"), ("leave", "exit status 3")])
def test_a_crash_ends_the_helper_and_is_told(helper: Helper, what: str, how: str) -> None:
    with pytest.raises(HelperDied, match=how):
        ask(helper, what)
    assert helper.is_ended


@pytest.mark.slow
def test_an_input_that_takes_too_much_processor_time_is_too_expensive(toy: str) -> None:
    helper = Helper(toy_decoder.terms(toy, seconds=0.2))
    with pytest.raises(TooExpensive) as caught:
        ask(helper, "spin")
    assert caught.value.details == {"stage": "decode", "limit": 0.2, "setting": "decode_deadline"}
    helper.end()


@pytest.mark.slow
def test_processor_time_is_counted_for_each_input_anew(toy: str) -> None:
    helper = Helper(toy_decoder.terms(toy, seconds=0.5))
    try:
        # Together they take longer than one may, and than one second more.
        for _ in range(6):
            ask(helper, "spin 0.4")
    finally:
        helper.end()


def test_an_input_that_only_waits_ends_its_helper_but_is_not_too_expensive(toy: str) -> None:
    helper = Helper(toy_decoder.terms(toy, seconds=0.1, slow=0.01))
    with pytest.raises(HelperDied, match="did not answer in time"):
        ask(helper, "sleep 3600")
    assert helper.is_ended


@pytest.mark.slow
def test_an_input_that_computes_is_waited_for_however_little_time_it_gets(toy: str) -> None:
    helper = Helper(toy_decoder.terms(toy, seconds=1.0, slow=0.01))
    try:
        # Longer than a second by the clock, with pauses as on a busy machine.
        assert ask(helper, "haltingly 2") == 7
    finally:
        helper.end()


def test_a_lack_of_memory_is_told_as_that(toy: str) -> None:
    helper = Helper(toy_decoder.terms(toy, room=50_000_000))
    try:
        with pytest.raises(OutOfResources):
            ask(helper, "fill 100000000")
        # A decoder that tells a lack of memory as damage.
        with pytest.raises(OutOfResources):
            ask(helper, "refuse could not create decoder object", needed=100_000_000)
        with pytest.raises(BadImage):
            ask(helper, "refuse damaged", needed=1_000_000)
        assert ask(helper, "fill 10000000") == 7
    finally:
        helper.end()


@pytest.mark.slow
def test_real_decoders_tell_a_lack_of_memory_in_each_format() -> None:
    limits = Limits(max_pixels=30_000_000)
    helper = Helper(Terms("scai.pictures.pixels:read_picture", limits, 20, 20_000_000))
    try:
        for format in FORMATS:
            data = picture((5000, 4000), format=format)
            with pytest.raises(OutOfResources):
                helper.decode(data, None, 5000 * 4000 * 4)
    finally:
        helper.end()


FORBIDDEN = ["open {file}", "write {file}", "write {file}.new", "remove {file}", "rename {file}"]
FORBIDDEN += ["socket AF_INET", "socket AF_UNIX", "fork", "signal {pid}"]


@pytest.mark.parametrize("act", FORBIDDEN)
def test_a_helper_has_no_files_no_network_and_no_processes(
    helper: Helper, tmp_path: Path, act: str
) -> None:
    needs_landlock = act.split()[0] in ("remove", "rename", "signal")
    if needs_landlock and not {"landlock", "nobody"} & set(helper.gained):
        pytest.skip("neither root nor a kernel with Landlock")
    file = tmp_path / "file"
    file.write_text("here")
    with pytest.raises(BadImage, match="Error"):
        ask(helper, act.format(file=file, pid=os.getpid()))
    assert sorted(path.name for path in tmp_path.glob("file*")) == ["file"]
    assert ask(helper, "good 9") == 9


_ANSWERS = [
    {"rows": 5000, "columns": 5000, "width": 1, "height": 1, "orientation": 1},
    {"rows": -1, "columns": 1, "width": 1, "height": 1, "orientation": 1},
    {"rows": 1, "columns": 1, "width": True, "height": 1, "orientation": 1},
    {"rows": 1, "columns": 1, "width": 1, "height": 1, "orientation": 9},
    {"rows": "1", "columns": 1, "width": 1, "height": 1, "orientation": 1},
    {},
]
_LIAR = """
import json, socket, sys
from scai.worker.decoders.wire import Channel
order = json.loads(sys.argv[1])
channel = Channel(socket.socket(fileno=order["channel"]))
channel.send({"ready": True})
channel.receive()
channel.send(ANSWER)
channel.receive()
"""


@pytest.mark.parametrize("answer", _ANSWERS)
def test_an_answer_that_makes_no_sense_is_the_end_of_its_helper(toy: str, answer: dict) -> None:
    helper = Helper(toy_decoder.terms(toy), ("-c", _LIAR.replace("ANSWER", repr(answer))))
    with pytest.raises(HelperDied):
        ask(helper, "good 1")
    assert helper.is_ended


@pytest.mark.parametrize("error", [{"code": "config"}, {"code": "not_found"}, "text", None, 5])
def test_a_helper_tells_no_errors_but_those_of_decoders(toy: str, error: object) -> None:
    liar = _LIAR.replace("ANSWER", repr({"error": error}))
    helper = Helper(toy_decoder.terms(toy), ("-c", liar))
    try:
        with pytest.raises(ScaiError) as caught:
            ask(helper, "good 1")
        assert caught.value.code == "internal"
    finally:
        helper.end()


def test_messages_are_bounded_and_checked() -> None:
    for data in (b"\xff\xff\xff\xff", b"\0\0\0\2{]", b"\0\0\0\2[]", b"\0\0\0\5{}"):
        here, there = socket.socketpair()
        there.sendall(data)
        there.close()
        with pytest.raises(WireError):
            Channel(here).receive(20)
        here.close()
    here, there = socket.socketpair()
    with here, there, pytest.raises(WireError, match="at most"):
        Channel(here).send({"text": "x" * MAX_MESSAGE})


def test_a_message_that_comes_in_parts_is_not_lost() -> None:
    here, there = socket.socketpair()
    with here, there:
        channel = Channel(here)
        for part in (b"\0\0", b"\0\10{", b'"a"'):
            there.sendall(part)
            with pytest.raises(TimeoutError):
                channel.receive(0.001)
        there.sendall(b": 1}\0\0\0\2{}")
        assert (channel.receive(20), channel.receive(20)) == ({"a": 1}, {})


def test_a_helper_cannot_cut_the_memory_that_the_worker_reads() -> None:
    memory = SharedMemory.create(10_000_000)
    try:
        with pytest.raises(OSError):
            os.ftruncate(memory.descriptor, 0)
        with pytest.raises(WireError):
            memory.view(9_999_999, 2)
    finally:
        memory.close()


def test_a_slow_input_is_announced_and_ends_with_the_worker(toy: str) -> None:
    helper, told = Helper(toy_decoder.terms(toy, slow=0.01)), []
    with pytest.raises(Interrupted):
        helper.decode(
            b"sleep 3600", None, 1, on_slow=lambda: told.append(1), is_stopping=lambda: True
        )
    assert (told, helper.is_ended) == ([1], True)


def test_a_helper_leaves_a_stop_to_its_worker(helper: Helper) -> None:
    """A stop of a service is told to all its processes."""
    helper.decode(b"good 1", None, 1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helper.pid, number)
    assert helper.decode(b"good 3", None, 1).pixels[0, 0, 0] == 3


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_a_killed_worker_leaves_no_helper_behind(toy: str) -> None:
    program = (
        "from support import toy_decoder\n"
        "from scai.worker.decoders.helper import Helper\n"
        f"helper = Helper(toy_decoder.terms({toy!r}))\n"
        "print(helper.pid, flush=True)\n"
        "helper.decode(b'spin', None, 1)\n"
    )
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, str(Path(tests).parent), os.environ["PYTHONPATH"]])
    worker = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    assert is_alive(pid)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    wait_until(lambda: not is_alive(pid), what="the helper ends with the worker")


def test_the_pool_keeps_a_helper_for_the_next_input(pool: HelperPool) -> None:
    assert ask(pool, "good 1") == 1
    [first] = pool.helpers()
    assert ask(pool, "good 2") == 2
    assert pool.helpers() == [first]


def test_the_pool_replaces_a_helper_that_died(pool: HelperPool) -> None:
    with pytest.raises(HelperDied):
        ask(pool, "crash")
    assert (pool.died, pool.helpers()) == (1, [])
    assert ask(pool, "good 2") == 2
    with pytest.raises(BadImage):
        ask(pool, "refuse damaged")
    assert (pool.died, len(pool.helpers())) == (1, 1)


def test_a_new_helper_is_for_one_input_only(pool: HelperPool) -> None:
    ask(pool, "good 1")
    [kept] = pool.helpers()
    pool.decode(b"good 2", None, 1, fresh=True)
    assert pool.helpers() == [kept]
    with pytest.raises(HelperDied):
        pool.decode(b"crash", None, 1, fresh=True)
    assert pool.helpers() == [kept] and is_alive(kept)


def test_closing_ends_every_helper(pool: HelperPool) -> None:
    ask(pool, "good 1")
    [kept] = pool.helpers()
    pool.close()
    assert not is_alive(kept)
    with pytest.raises(NoHelper):
        ask(pool, "good 1")


def test_helpers_that_cannot_start_are_tried_again_ever_more_rarely(
    toy: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock, starts = Clock(0.0), []

    def start(terms: Terms) -> Helper:
        starts.append(clock.now)
        if clock.now < 100:
            raise OSError(11, "no more processes")
        return Helper(terms)

    pool = HelperPool(toy_decoder.terms(toy), start=start, clock=clock)
    while clock.now < 100:
        with pytest.raises(NoHelper):
            ask(pool, "good 1")
        clock.now += 0.5
    assert starts == [0, 1, 3, 7, 15, 31, 63]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    clock.now = 130
    assert ask(pool, "good 3") == 3
    pool.close()


def test_starts_that_fail_together_are_one_failure(toy: str) -> None:
    clock, together = Clock(0.0), threading.Barrier(3)

    def start(terms: Terms) -> Helper:
        if clock.now < 1:
            together.wait(20)
            raise OSError(11, "Resource temporarily unavailable")
        return Helper(terms)

    pool = HelperPool(toy_decoder.terms(toy), start=start, clock=clock)
    with ThreadPoolExecutor(3) as threads:
        ends = [threads.submit(pool.decode, b"good", None, 0) for _ in range(3)]
        assert all(isinstance(end.exception(), NoHelper) for end in ends)
        clock.now = 1.0
        # In this thread, because a helper dies with the one that started it.
        assert pool.decode(b"good", None, 0).pixels[0, 0, 0] == 7
    pool.close()
