"""The application's answer to one request, portion by portion."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from typing import IO, Any

from scai.jobs.waiters import Pause

log = logging.getLogger(__name__)

# Bytes of an answer that are asked from the application at a time.
PORTION = 64 * 1024
_BLOCK = 64 * 1024
_BODILESS = ("1", "204", "304")

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class FileBlocks:
    """A file as an iterable of large blocks: the `wsgi.file_wrapper` of this server."""

    def __init__(self, file: IO[bytes], block: int = _BLOCK) -> None:
        self._file = file
        self._block = max(block, _BLOCK)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if block := self._file.read(self._block):
            return block
        raise StopIteration

    def close(self) -> None:
        self._file.close()

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, *position: int) -> int:
        return self._file.seek(*position)

    def tell(self) -> int:
        return self._file.tell()


class Answer:
    """What the application answers. Every method runs in a thread, one at a time.

    pause: until the application is to be asked for more, if it said so
    over: whether nothing more will come
    failed: whether it broke off, so that the client must not take it for whole
    """

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.pause: Pause | None = None
        self.over = False
        self.failed = False
        # Whether some of it may be on its way to the client.
        self._begun = False
        self._pieces: Iterable[bytes] = ()
        self._iterator: Iterator[Any] = iter(())

    def ask(self, app: App, environ: dict[str, Any]) -> None:
        """Call the application."""
        self._pieces = app(environ, self._start)
        self._iterator = iter(self._pieces)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status, self.headers = status, headers

    def portion(self) -> bytes:
        """The next bytes: about `PORTION`, or fewer before a pause and at the end.

        Raises what the application raises before its first byte.
        """
        self.pause = None
        pieces: list[bytes] = []
        size = 0
        try:
            while size < PORTION:
                piece = next(self._iterator, None)
                if piece is None:
                    self.over = True
                    break
                if isinstance(piece, Pause):
                    self.pause = piece
                    break
                pieces.append(piece)
                size += len(piece)
        except Exception:
            if not self.status or not (self._begun or size):
                raise
            log.exception("an answer broke off")
            self.over = self.failed = True
        self._begun = True
        if self.over:
            self.close()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Tell the application that nobody wants more."""
        close = getattr(self._pieces, "close", None)
        self._pieces, self._iterator, self.over = (), iter(()), True
        if close is not None:
            close()


class Framing:
    """How an answer is cut on the wire: by its length, in chunks, or by the connection's end.

    keep_alive: whether another answer may follow on this connection
    open_ended: whether nothing but the connection's end says where it ends
    """

    def __init__(self, answer: Answer, method: str, version: str, keep_alive: bool) -> None:
        headers = {name.lower(): value for name, value in answer.headers}
        length = headers.get("content-length")
        self._bodiless = method == "HEAD" or answer.status[:3].startswith(_BODILESS)
        self._left = int(length) if length is not None and not self._bodiless else None
        known = length is not None or self._bodiless
        self._chunked = not known and version != "1.0"
        self.open_ended = not known and not self._chunked
        self.keep_alive = keep_alive and not self.open_ended
        lines = [f"HTTP/1.1 {answer.status}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        if "date" not in headers:
            lines.append(f"Date: {_date()}")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        if not self.keep_alive:
            lines.append("Connection: close")
        elif version == "1.0":
            lines.append("Connection: keep-alive")
        self.head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def frame(self, data: bytes, answer: Answer) -> bytes:
        """These bytes of the answer as they go over the wire.

        When the answer ends too early, so does the connection: the client must not take what it
        has for the whole.
        """
        if self._bodiless:
            return b""
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if answer.over and (answer.failed or self._left):
            self.keep_alive = False
            answer.failed = True
        if not self._chunked:
            return data
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        return chunk + b"0\r\n\r\n" if answer.over and not answer.failed else chunk


_last_date = (0, "")


def _date() -> str:
    global _last_date
    now = int(time.time())
    at, text = _last_date
    if at != now:
        text = formatdate(now, usegmt=True)
        _last_date = (now, text)
    return text
