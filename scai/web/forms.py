"""The pictures and fields of a request, read once.

A small form of the usual shape is cut where its boundary stands; everything else goes through
Werkzeug's parser, which knows every shape but looks at each byte several times.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import File
from werkzeug.wrappers import Request

from scai.errors import BadRequest, ImageTooLarge, ScaiError
from scai.settings import Settings
from scai.storage.upload_spool import IN_MEMORY, Spool

# The largest body that is read in one piece: a small picture and the form around it, in bytes.
_SMALL_BODY = IN_MEMORY + 64 * 1024
_CHUNK = 128 * 1024
# What the short way deals with; anything larger or stranger goes the long one.
_LONGEST_HEAD = 4096
_LONGEST_FIELD = 64 * 1024
_MOST_PARTS = 100

# The seed's text for a form that cannot be read.
BROKEN_UPLOAD = "upload process was error"


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
    # The first file of each other field that was asked for.
    others: dict[str, Photo] = field(default_factory=dict)


@contextmanager
def form_of(
    request: Request,
    photo: str,
    folder: Path,
    limit: int,
    others: Mapping[str, int] = MappingProxyType({}),
) -> Iterator[Form]:
    """The multipart form of a request, whose files stand in the field `photo`.

    `others` are more fields with a file, each with a limit of its own in bytes.

    A picture of more than `limit` bytes is dropped and marked; large ones lie in `folder` until
    they are moved away, or the block ends. Raises HTTPException for a request that is too large
    or a form of too many or too long fields; what is no form is an empty one.
    """
    spools: list[Spool] = []

    def spool(name: str) -> Spool:
        spools.append(Spool(folder, others.get(name, limit)))
        return spools[-1]

    try:
        yield _read(request, _Fields(photo, others), spool)
    finally:
        for left in spools:
            left.close()


def fields_of(request: Request, most: int = 500_000) -> Mapping[str, str]:
    """The fields of a form that has no files, of at most `most` bytes.

    Raises RequestEntityTooLarge for a longer one, however it says its length: Werkzeug reads a form
    without a length into memory up to the limit for uploads.
    """
    request.max_content_length = request.max_form_memory_size = most
    return request.form


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


def too_large(settings: Settings) -> ImageTooLarge:
    """The refusal of a picture that has more bytes than one may have."""
    return ImageTooLarge(
        f"expected at most {settings.max_upload_mb:g} MB a picture",
        stage="upload",
        limit=settings.max_upload_bytes,
        setting="max_upload_mb",
    )


def form_error(error: HTTPException, request: Request, settings: Settings) -> ScaiError:
    """The error for a client whose form `form_of` could not read."""
    if not isinstance(error, RequestEntityTooLarge):
        return BadRequest(BROKEN_UPLOAD, reason=error.description)
    if (request.content_length or 0) > settings.max_request_bytes:
        return ImageTooLarge(
            f"expected at most {settings.max_request_mb:g} MB a request and "
            f"{settings.max_upload_mb:g} MB a picture",
            stage="upload",
            limit=settings.max_request_bytes,
            setting="max_request_mb",
        )
    return BadRequest("the form has too many or too long fields", stage="upload")


@dataclass(frozen=True)
class _Fields:
    """Which fields hold files: the one of the pictures, and others."""

    photo: str
    others: Collection[str]

    def put(self, form: Form, name: str, file: Photo) -> None:
        """Put the file of field `name` into its place in the form, if it has one."""
        if name == self.photo:
            form.photos.append(file)
        elif name in self.others:
            form.others.setdefault(name, file)


class _Parser(MultiPartParser):
    """Werkzeug's parser, which tells for which field a file is."""

    def __init__(self, spool: Callable[[str], Spool], **limits: Any) -> None:
        super().__init__(**limits)
        self._spool = spool

    def start_file_streaming(self, event: File, total_content_length: int | None) -> IO[bytes]:
        return self._spool(event.name)  # type: ignore[return-value]


def _read(request: Request, wanted: _Fields, spool: Callable[[str], Spool]) -> Form:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    stream: IO[bytes] = request.stream
    if (request.content_length or _SMALL_BODY + 1) <= _SMALL_BODY:
        body = stream.read()
        parts = _cut(body, boundary) if boundary else None
        if parts is not None:
            return _form(parts, wanted, spool)
        stream = io.BytesIO(body)
    return _parsed(request, stream, boundary, wanted, spool)


def _parsed(
    request: Request,
    stream: IO[bytes],
    boundary: bytes,
    wanted: _Fields,
    spool: Callable[[str], Spool],
) -> Form:
    """The form by Werkzeug's parser."""
    parser = _Parser(
        spool,
        max_form_memory_size=request.max_form_memory_size,
        max_form_parts=request.max_form_parts,
        buffer_size=_CHUNK,
    )
    try:
        fields, files = parser.parse(stream, boundary, request.content_length)
    except ValueError:
        return Form()
    form = Form(fields.to_dict())
    for name, file in files.items(multi=True):
        wanted.put(form, name, Photo(file.filename or "", file.stream))  # type: ignore[arg-type]
    return form


Part = tuple[str, str | None, bytes]


def _form(parts: list[Part], wanted: _Fields, spool: Callable[[str], Spool]) -> Form:
    form = Form()
    for name, filename, data in parts:
        if filename is None:
            form.fields.setdefault(name, data.decode("utf-8", "replace"))
        else:
            file = Photo(filename, spool(name))
            file.spool.write(data)
            wanted.put(form, name, file)
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
