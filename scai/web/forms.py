"""Read the pictures and the fields of a request.

A small form of the usual shape is split at its boundary; everything else goes through a parser that
knows every shape but looks at each byte several times. Forms under way share a budget of memory;
photos that find no room in it lie on the disk.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import MappingProxyType
from typing import IO

from flask import current_app
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wrappers import Request

from scai.errors import BadRequest, Busy, ImageTooLarge, ScaiError
from scai.settings import Settings
from scai.storage.memory_budget import MemoryBudget
from scai.storage.upload_spool import IN_MEMORY, Spool
from scai.web.form_parser import RETRY_AFTER, FormLimits, parse

# Where a server puts the Spool that holds the whole body into the environment, if it has one.
BODY = "scai.body"
# The largest body that is read in one piece: a small picture and the form around it, in bytes.
SMALL_BODY = IN_MEMORY + 64 * 1024
_CHUNK = 128 * 1024
# The most bytes of one form in memory; what comes then lies on the disk.
IN_REQUEST = 8_000_000
# Larger or stranger forms are not split. In bytes, but for the parts.
_MAX_HEAD = 4096
_MAX_FIELD = 64 * 1024
_MAX_PARTS = 100
# Characters of a file name that are kept, those at its end.
_MAX_NAME = 1000

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


def form_memory() -> MemoryBudget:
    """The memory of all forms under way in this process."""
    budget: MemoryBudget = current_app.config["FORM_MEMORY"]
    return budget


@contextmanager
def form_of(
    request: Request,
    photo: str,
    folder: Path,
    limit: int,
    others: Mapping[str, int] = MappingProxyType({}),
    small_body: int = SMALL_BODY,
    memory: MemoryBudget | None = None,
) -> Iterator[Form]:
    """Read a multipart form, whose pictures are in the field `photo`.

    others: further fields with a file, and the limit of each in bytes.
    small_body: the largest form in bytes that is split, not parsed.
    memory: the budget that forms share; of it, this one takes at most IN_REQUEST until its end.

    A picture of more than `limit` bytes is dropped, and says so. Pictures that are large or find no
    room in memory lie in `folder` until they are moved away or the block ends. Raises HTTPException
    for a request that is too large or has too many or too long fields, and Busy if there is no room
    for its fields. A body that is no form gives an empty one.
    """
    share = MemoryBudget(IN_REQUEST, memory)
    spools: list[Spool] = []

    def new_spool(name: str) -> Spool:
        spools.append(Spool(folder, files.limit_of(name), memory=share))
        return spools[-1]

    files = _FileFields(photo, limit, others)
    try:
        yield _read(request, files, new_spool, small_body, share)
    finally:
        for spool in spools:
            spool.close()
        share.release_all()


def fields_of(
    request: Request, limit: int = 500_000, memory: MemoryBudget | None = None
) -> Mapping[str, str]:
    """Read a form without files.

    memory: the budget that forms share, of which this takes its length while it is read.

    Raises RequestEntityTooLarge for more than `limit` bytes, whether the request announces its
    length or not: without a length, Werkzeug would read up to the limit for uploads into memory.
    Raises Busy if there is no room for it.
    """
    request.max_content_length = request.max_form_memory_size = limit
    share = MemoryBudget(limit, memory)
    if not share.acquire(min(limit, request.content_length or limit)):
        raise Busy("too many forms arrive at once; try again later", retry_after=RETRY_AFTER)
    try:
        return request.form
    finally:
        share.release_all()


@contextmanager
def body_of(
    request: Request, folder: Path, limit: int, memory: MemoryBudget | None = None
) -> Iterator[Spool]:
    """Read the body of a request as a picture; stop once it is longer than `limit` bytes.

    A server that has the whole body in a file of `folder` hands that over.
    """
    whole: Spool | None = request.environ.get(BODY)
    if whole is not None and (request.content_length or 0) <= limit:
        yield whole
        return
    spool = Spool(folder, limit, memory=memory)
    try:
        while not spool.too_large and (data := request.stream.read(_CHUNK)):
            spool.write(data)
        spool.finish()
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


def request_too_large(settings: Settings) -> ImageTooLarge:
    """The error for a request with too many bytes."""
    return ImageTooLarge(
        f"expected at most {settings.max_request_mb:g} MB a request and "
        f"{settings.max_upload_mb:g} MB a picture",
        stage="upload",
        limit=settings.max_request_bytes,
        setting="max_request_mb",
    )


def form_error(error: HTTPException, request: Request, settings: Settings) -> ScaiError:
    """The error for a client whose form `form_of` could not read."""
    if not isinstance(error, RequestEntityTooLarge):
        return BadRequest(BROKEN_UPLOAD, reason=error.description)
    if (request.content_length or 0) > settings.max_request_bytes:
        return request_too_large(settings)
    return BadRequest("the form has too many or too long fields", stage="upload")


@dataclass(frozen=True)
class _FileFields:
    """Which fields have files, and the limit of each in bytes: the pictures' field, and others."""

    photo: str
    limit: int
    others: Mapping[str, int]

    def limit_of(self, name: str) -> int:
        """The most bytes of a file in the field `name`; 0 if it may have none."""
        return self.limit if name == self.photo else self.others.get(name, 0)

    def put(self, form: Form, name: str, filename: str, content: bytes | Spool) -> None:
        """Put the file of field `name` into the form, if this field may have one."""
        file = Photo(filename[-_MAX_NAME:], content)
        if name == self.photo:
            form.photos.append(file)
        elif name in self.others:
            form.others.setdefault(name, file)


def _read(
    request: Request,
    files: _FileFields,
    spool: Callable[[str], Spool],
    small_body: int,
    memory: MemoryBudget,
) -> Form:
    boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
    stream: IO[bytes] = request.stream
    length = request.content_length or 0
    # The body, and a copy of each of its parts.
    if 0 < length <= small_body and memory.acquire(2 * length):
        body = stream.read()
        parts = split(body, boundary)
        if parts is not None and _text_of(parts) <= (request.max_form_memory_size or length):
            del body
            memory.release(length)
            return _form(parts, files, spool)
        stream = io.BytesIO(body)
    elif (whole := request.environ.get(BODY)) is not None:
        form = _form_in_file(whole.picture, boundary, request, files, spool, memory)
        if form is not None:
            return form
    limits = FormLimits(request.max_form_memory_size, request.max_form_parts)
    parsed = parse(stream, boundary, limits, memory, spool)
    form = Form(parsed.fields)
    for name, filename, file in parsed.files:
        files.put(form, name, filename, file)
    return form


def _form_in_file(
    file: Path,
    boundary: bytes,
    request: Request,
    files: _FileFields,
    spool: Callable[[str], Spool],
    memory: MemoryBudget,
) -> Form | None:
    """Copy the parts of a form out of the file that holds it; None if it is of another shape.

    That is several times as fast as to parse it, and no part is in memory.
    """
    form = Form()
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as body:
        spans = _spans(body, boundary)
        if spans is None:
            return None
        text = sum(span.end - span.start for span in spans if span.filename is None)
        if text > (request.max_form_memory_size or text) or not memory.acquire(text):
            return None
        for span in spans:
            if span.filename is None:
                content = body[span.start : span.end]
                form.fields.setdefault(span.name, content.decode("utf-8", "replace"))
                continue
            target = spool(span.name)
            for at in range(span.start, span.end, _CHUNK):
                target.write(body[at : min(at + _CHUNK, span.end)])
            target.finish()
            files.put(form, span.name, span.filename, target)
    return form


def _text_of(parts: list[Part]) -> int:
    """The bytes of all fields without a file."""
    return sum(len(part.content) for part in parts if part.filename is None)


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
            files.put(form, part.name, part.filename, content)
    return form


@dataclass(frozen=True)
class Part:
    """One part of a form: a field, whose `filename` is None, or a file."""

    name: str
    filename: str | None
    content: bytes


def split(body: bytes, boundary: bytes) -> list[Part] | None:
    """Split a form into its parts at its boundary; None as `_spans`."""
    spans = _spans(body, boundary)
    if spans is None:
        return None
    return [Part(span.name, span.filename, body[span.start : span.end]) for span in spans]


@dataclass(frozen=True)
class _Span:
    """Where the content of one part begins and ends in a form."""

    name: str
    filename: str | None
    start: int
    end: int


def _spans(body: bytes | mmap, boundary: bytes) -> list[_Span] | None:
    """Find the parts of a form by its boundary.

    None for a form of another shape than browsers, curl and the common libraries send: a parser
    that knows every shape has to read it.
    """
    delimiter = b"--" + boundary
    if not boundary or body[: len(delimiter) + 2] != delimiter + b"\r\n":
        return None
    spans: list[_Span] = []
    at = len(delimiter) + 2
    while len(spans) < _MAX_PARTS:
        blank = body.find(b"\r\n\r\n", at, at + _MAX_HEAD)
        end = body.find(delimiter, blank + 4) if blank >= 0 else -1
        # Behind another line end, or in the middle of a line, other parsers may see a boundary.
        if end < blank + 6 or body[end - 2 : end] != b"\r\n":
            return None
        names = _names(body[at:blank])
        if names is None or (names[1] is None and end - 6 - blank > _MAX_FIELD):
            return None
        spans.append(_Span(*names, blank + 4, end - 2))
        at = end + len(delimiter) + 2
        line_end = body[at - 2 : at]
        if line_end == b"--":
            return spans
        if line_end != b"\r\n":
            return None
    return None


def _names(head: bytes) -> tuple[str, str | None] | None:
    """Name and file name in the header lines of a part; None if they are of another shape."""
    headers: dict[str, str] = {}
    try:
        for line in head.decode().split("\r\n"):
            key, colon, value = line.partition(":")
            key = key.lower()
            if not colon or key != key.strip() or key in headers or "\n" in line or "\r" in line:
                return None
            headers[key] = value.strip()
    except UnicodeDecodeError:
        return None
    _, options = parse_options_header(headers.get("content-disposition"))
    name, filename = options.get("name"), options.get("filename")
    # A field with a media type may have a charset of its own.
    if name is None or (filename is None and "content-type" in headers):
        return None
    return name, filename
