"""Read a multipart form of any shape and size, in little memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from scai.errors import Busy
from scai.storage.memory_budget import MemoryBudget
from scai.storage.upload_spool import Spool

# Bytes that are read from the stream at a time.
_CHUNK = 128 * 1024
# Seconds after which a client whose fields found no room may send its form again.
RETRY_AFTER = 10


@dataclass
class ParsedForm:
    """The fields of a form, the first of each name, and its files with field and file names."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, str, Spool]] = field(default_factory=list)


@dataclass(frozen=True)
class FormLimits:
    """The most bytes of all fields together, and the most parts; None for no limit."""

    text: int | None
    parts: int | None


def parse(
    stream: IO[bytes],
    boundary: bytes,
    limits: FormLimits,
    memory: MemoryBudget,
    spool: Callable[[str], Spool],
) -> ParsedForm:
    """Read a form from `stream`.

    memory: what the fields are taken from; the caller gives it back.
    spool: makes that of a file, by the name of its field.

    A body that is no form gives an empty one. Raises RequestEntityTooLarge for too many parts or
    too long fields, Busy if there is no room for the fields, OSError from a spool.
    """
    # Werkzeug's own loop keeps every file open, and limits each field but not all together.
    decoder = MultipartDecoder(boundary, limits.text, max_parts=limits.parts)
    form = ParsedForm()
    part: Field | File | None = None
    text: list[bytes] = []
    file: Spool | None = None
    length = 0
    try:
        while not isinstance(event := decoder.next_event(), Epilogue):
            if isinstance(event, NeedData):
                decoder.receive_data(stream.read(_CHUNK) or None)
            elif isinstance(event, File):
                part, file = event, spool(event.name)
            elif isinstance(event, Field):
                part, text = event, []
            elif isinstance(event, Data):
                if isinstance(part, File) and file is not None:
                    file.write(event.data)
                    if not event.more_data:
                        file.finish()
                        form.files.append((part.name, part.filename, file))
                elif isinstance(part, Field):
                    length += len(event.data)
                    _check_text(length, len(event.data), limits, memory)
                    text.append(event.data)
                    if not event.more_data:
                        form.fields.setdefault(part.name, _decode(part, b"".join(text)))
    except ValueError:
        return ParsedForm()
    return form


def _check_text(length: int, more: int, limits: FormLimits, memory: MemoryBudget) -> None:
    if limits.text is not None and length > limits.text:
        raise RequestEntityTooLarge
    if not memory.acquire(more):
        raise Busy("too many forms arrive at once; try again later", retry_after=RETRY_AFTER)


def _decode(part: Field, data: bytes) -> str:
    return data.decode(MultiPartParser().get_part_charset(part.headers), "replace")
