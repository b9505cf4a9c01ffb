"""The pictures and fields of a request, read once.

A small form of the usual shape is cut where its boundary stands; everything else goes through
Werkzeug's parser, which knows every shape but looks at each byte several times.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request

from scai.spool import IN_MEMORY, Spool

# The largest body that is read in one piece: a small picture and the form around it, in bytes.
_SMALL_BODY = IN_MEMORY + 64 * 1024
_CHUNK = 128 * 1024
# What the short way deals with; anything larger or stranger goes the long one.
_LONGEST_HEAD = 4096
_LONGEST_FIELD = 64 * 1024
_MOST_PARTS = 100


@dataclass
class Photo:
    """One picture of a request: the client's name for it, and its bytes."""

    name: str
    spool: Spool


@dataclass
class Form:
    """The fields of a request, the first of each name, and its pictures in their order."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[Photo] = field(default_factory=list)


@contextmanager
def form_of(request: Request, photo: str, folder: Path, limit: int) -> Iterator[Form]:
    """The multipart form of a request, whose files stand in the field `photo`.

    A picture of more than `limit` bytes is dropped and marked; large ones lie in `folder` until
    they are moved away, or the block ends. Raises HTTPException for a request that is too large
    or a form of too many or too long fields; what is no form is an empty one.
    """
    spools: list[Spool] = []

    def spool() -> Spool:
        spools.append(Spool(folder, limit))
        return spools[-1]

    try:
        yield _read(request, photo, spool)
    finally:
        for left in spools:
            left.close()


@contextmanager
def body_of(request: Request, folder: Path, limit: int) -> Iterator[Spool]:
    """The body of a request as a picture; reading ends when it is longer than `limit` bytes."""
    spool = Spool(folder, limit)
    try:
        while not spool.too_large and (data := request.stream.read(_CHUNK)):
            spool.write(data)
        yield spool
    finally:
        spool.close()


def _read(request: Request, photo: str, spool: Callable[[], Spool]) -> Form:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    stream: IO[bytes] = request.stream
    if (request.content_length or _SMALL_BODY + 1) <= _SMALL_BODY:
        body = stream.read()
        parts = _cut(body, boundary) if boundary else None
        if parts is not None:
            return _form(parts, photo, spool)
        stream = io.BytesIO(body)
    return _parsed(request, stream, boundary, photo, spool)


def _parsed(
    request: Request,
    stream: IO[bytes],
    boundary: bytes,
    photo: str,
    spool: Callable[[], Spool],
) -> Form:
    """The form by Werkzeug's parser."""

    def container(*_: Any, **__: Any) -> IO[bytes]:
        return spool()  # type: ignore[return-value]

    parser = MultiPartParser(
        container,
        max_form_memory_size=request.max_form_memory_size,
        max_form_parts=request.max_form_parts,
        buffer_size=_CHUNK,
    )
    try:
        fields, files = parser.parse(stream, boundary, request.content_length)
    except ValueError:
        return Form()
    photos = [
        Photo(file.filename or "", file.stream)  # type: ignore[arg-type]
        for file in files.getlist(photo)
    ]
    return Form(fields.to_dict(), photos)


Part = tuple[str, str | None, bytes]


def _form(parts: list[Part], photo: str, spool: Callable[[], Spool]) -> Form:
    form = Form()
    for name, filename, data in parts:
        if filename is None:
            form.fields.setdefault(name, data.decode("utf-8", "replace"))
        elif name == photo:
            form.photos.append(Photo(filename, spool()))
            form.photos[-1].spool.write(data)
    return form


def _cut(body: bytes, boundary: bytes) -> list[Part] | None:
    """Name, file name and content of each part; None for any form of another than usual shape."""
    start, delimiter = b"--" + boundary + b"\r\n", b"\r\n--" + boundary
    if not body.startswith(start):
        return None
    parts: list[Part] = []
    at = len(start)
    while len(parts) < _MOST_PARTS:
        blank = body.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        end = body.find(delimiter, blank + 2) if blank >= 0 else -1
        if end < blank + 4:
            return None
        head = _head(body[at:blank])
        if head is None or (head[1] is None and end - blank > _LONGEST_FIELD):
            return None
        parts.append((*head, body[blank + 4 : end]))
        at = end + len(delimiter) + 2
        after = body[at - 2 : at]
        if after == b"--":
            return parts
        if after != b"\r\n":
            return None
    return None


def _head(lines: bytes) -> tuple[str, str | None] | None:
    """Name and file name by the header lines of a part; None when they are of another shape."""
    found: dict[str, str] = {}
    try:
        for line in lines.decode().split("\r\n"):
            key, colon, value = line.partition(":")
            if not colon or key != key.strip() or "\n" in line or "\r" in line:
                return None
            found[key.lower()] = value.strip()
    except UnicodeDecodeError:
        return None
    _, options = parse_options_header(found.get("content-disposition"))
    name, filename = options.get("name"), options.get("filename")
    # A field may say its own charset.
    if name is None or (filename is None and "content-type" in found):
        return None
    return name, filename
