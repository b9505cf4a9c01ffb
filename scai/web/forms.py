"""Read the pictures and the fields of a request.

A small form of the usual shape is split at its boundary; everything else goes through Werkzeug's
parser, which knows every shape but looks at each byte several times.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
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
SMALL_BODY = IN_MEMORY + 64 * 1024
_CHUNK = 128 * 1024
# Larger or stranger forms are not split. In bytes, but for the parts.
_MAX_HEAD = 4096
_MAX_FIELD = 64 * 1024
_MAX_PARTS = 100

# The original's text for a form that cannot be read.
BROKEN_UPLOAD = "upload process was error"


@dataclass
class Photo:
    """One picture of a request: the client's name for it, and its bytes.

    A picture of a small form is in memory as it was cut out of the form; others are in a spool.
    """

    name: str
    content: bytes | Spool

    @property
    def picture(self) -> bytes | Path:
        """The bytes that arrived, or the file that holds them."""
        return self.content if isinstance(self.content, bytes) else self.content.picture

    @property
    def too_large(self) -> bool:
        """Whether the picture was dropped because it is too large."""
        return not isinstance(self.content, bytes) and self.content.too_large


@dataclass
class Form:
    """The fields of a request, the first of each name, and its pictures in order."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[Photo] = field(default_factory=list)
    # The first file of each of the other fields with files.
    others: dict[str, Photo] = field(default_factory=dict)


@contextmanager
def form_of(
    request: Request,
    photo: str,
    folder: Path,
    limit: int,
    others: Mapping[str, int] = MappingProxyType({}),
    small_body: int = SMALL_BODY,
) -> Iterator[Form]:
    """Read a multipart form, whose pictures are in the field `photo`.

    others: further fields with a file, and the limit of each in bytes.
    small_body: the largest form in bytes that is split, not parsed.

    A picture of more than `limit` bytes is dropped, and says so. Large pictures lie in
    `folder` until they are moved away or the block ends. Raises HTTPException for a request that
    is too large or has too many or too long fields. A body that is no form gives an empty one.
    """
    spools: list[Spool] = []

    def new_spool(name: str) -> Spool:
        spools.append(Spool(folder, files.limit_of(name)))
        return spools[-1]

    files = _FileFields(photo, limit, others)
    try:
        yield _read(request, files, new_spool, small_body)
    finally:
        for spool in spools:
            spool.close()


def fields_of(request: Request, limit: int = 500_000) -> Mapping[str, str]:
    """Read a form without files.

    Raises RequestEntityTooLarge for more than `limit` bytes, whether the request announces its
    length or not: without a length, Werkzeug would read up to the limit for uploads into memory.
    """
    request.max_content_length = request.max_form_memory_size = limit
    return request.form


@contextmanager
def body_of(request: Request, folder: Path, limit: int) -> Iterator[Spool]:
    """Read the body of a request as a picture; stop once it is longer than `limit` bytes."""
    spool = Spool(folder, limit)
    try:
        while not spool.too_large and (data := request.stream.read(_CHUNK)):
            spool.write(data)
        yield spool
    finally:
        spool.close()


def too_large(settings: Settings) -> ImageTooLarge:
    """The error for a picture with too many bytes."""
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
class _FileFields:
    """Which fields have files, and the limit of each in bytes: the pictures' field, and others."""

    photo: str
    limit: int
    others: Mapping[str, int]

    def limit_of(self, name: str) -> int:
        """The most bytes of a file in the field `name`."""
        return self.others.get(name, self.limit)

    def put(self, form: Form, name: str, file: Photo) -> None:
        """Put the file of field `name` into the form, if this field may have one."""
        if name == self.photo:
            form.photos.append(file)
        elif name in self.others:
            form.others.setdefault(name, file)


class _Parser(MultiPartParser):
    """Werkzeug's parser, with a spool for each file that is chosen by the name of its field."""

    def __init__(self, spool: Callable[[str], Spool], **limits: Any) -> None:
        super().__init__(**limits)
        self._spool = spool

    def start_file_streaming(self, event: File, total_content_length: int | None) -> IO[bytes]:
        return self._spool(event.name)  # type: ignore[return-value]


def _read(
    request: Request, files: _FileFields, spool: Callable[[str], Spool], small_body: int
) -> Form:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    stream: IO[bytes] = request.stream
    if request.content_length and request.content_length <= small_body:
        body = stream.read()
        parts = split(body, boundary)
        if parts is not None:
            return _form(parts, files, spool)
        stream = io.BytesIO(body)
    return _parse(request, stream, boundary, files, spool)


def _parse(
    request: Request,
    stream: IO[bytes],
    boundary: bytes,
    files: _FileFields,
    spool: Callable[[str], Spool],
) -> Form:
    """Read a form of any shape or size with Werkzeug's parser."""
    parser = _Parser(
        spool,
        max_form_memory_size=request.max_form_memory_size,
        max_form_parts=request.max_form_parts,
        buffer_size=_CHUNK,
    )
    try:
        fields, spools = parser.parse(stream, boundary, request.content_length)
    except ValueError:
        return Form()
    form = Form(fields.to_dict())
    for name, file in spools.items(multi=True):
        files.put(form, name, Photo(file.filename or "", file.stream))  # type: ignore[arg-type]
    return form


def _form(parts: list[Part], files: _FileFields, spool: Callable[[str], Spool]) -> Form:
    form = Form()
    for part in parts:
        if part.filename is None:
            form.fields.setdefault(part.name, part.content.decode("utf-8", "replace"))
        else:
            content: bytes | Spool = part.content
            if len(part.content) > files.limit_of(part.name):
                content = spool(part.name)
                content.write(part.content)
            files.put(form, part.name, Photo(part.filename, content))
    return form


@dataclass(frozen=True)
class Part:
    """One part of a form: a field, whose `filename` is None, or a file."""

    name: str
    filename: str | None
    content: bytes


def split(body: bytes, boundary: bytes) -> list[Part] | None:
    """Split a form into its parts at its boundary.

    None for a form of another shape than browsers, curl and the common libraries send: a parser
    that knows every shape has to read it.
    """
    start, delimiter = b"--" + boundary + b"\r\n", b"\r\n--" + boundary
    if not boundary or not body.startswith(start):
        return None
    parts: list[Part] = []
    at = len(start)
    while len(parts) < _MAX_PARTS:
        blank = body.find(b"\r\n\r\n", at, at + _MAX_HEAD)
        end = body.find(delimiter, blank + 2) if blank >= 0 else -1
        if end < blank + 4:
            return None
        names = _names(body[at:blank])
        if names is None or (names[1] is None and end - blank > _MAX_FIELD):
            return None
        parts.append(Part(*names, body[blank + 4 : end]))
        at = end + len(delimiter) + 2
        line_end = body[at - 2 : at]
        if line_end == b"--":
            return parts
        if line_end != b"\r\n":
            return None
    return None


def _names(head: bytes) -> tuple[str, str | None] | None:
    """Name and file name in the header lines of a part; None if they are of another shape."""
    headers: dict[str, str] = {}
    try:
        for line in head.decode().split("\r\n"):
            key, colon, value = line.partition(":")
            if not colon or key != key.strip() or "\n" in line or "\r" in line:
                return None
            headers[key.lower()] = value.strip()
    except UnicodeDecodeError:
        return None
    _, options = parse_options_header(headers.get("content-disposition"))
    name, filename = options.get("name"), options.get("filename")
    # A field with a media type may have a charset of its own.
    if name is None or (filename is None and "content-type" in headers):
        return None
    return name, filename
