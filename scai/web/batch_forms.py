"""Read the photos of a request for a batch: the files of a form, a ZIP, or both.

Each photo is opened only when its turn comes, so a ZIP is unpacked one picture at a time.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from flask import Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from scai.errors import ArchiveTooLarge, BadArchive, BadRequest, ScaiError
from scai.jobs.batches.portion import PortionPhoto
from scai.jobs.batches.unzip import Unpacking, ZipEntry
from scai.settings import FORM_ROOM, Settings
from scai.storage.upload_spool import Spool
from scai.web.forms import (
    BROKEN_UPLOAD,
    Form,
    Photo,
    body_of,
    fields_of,
    form_memory,
    form_of,
    too_large,
)

PHOTO = "photo"
ARCHIVE = "archive"
ZIP_TYPES = ("application/zip", "application/x-zip-compressed")
# The most parts of a form besides its photos.
_FIELDS = 100


@dataclass
class BatchUpload:
    """A request: its fields, where those of the address come first, and its photos in order."""

    fields: dict[str, str] = field(default_factory=dict)
    photos: list[PortionPhoto] = field(default_factory=list)

    def number(self, name: str, most: int) -> int:
        """A field as a whole number from 0 to `most`, 0 if it is absent. Raises BadRequest."""
        text = self.fields.get(name) or "0"
        if not text.isdecimal() or len(text) > 9 or int(text) > most:
            raise BadRequest(f"{name}: expected a number from 0 to {most}, got {text[:40]!r}")
        return int(text)

    def says(self, name: str) -> bool:
        """Whether a field is present and means yes."""
        return self.fields.get(name, "") not in ("", "0", "false", "no")


@contextmanager
def read_upload(request: Request, settings: Settings) -> Iterator[BatchUpload]:
    """Read a request; its photos can be opened until the block ends.

    Raises ScaiError for a body that is too large, an unreadable form, or a ZIP that must not be
    unpacked.
    """
    request.max_content_length = settings.max_batch_bytes + FORM_ROOM
    request.max_form_parts = settings.max_batch_photos + _FIELDS
    with ExitStack() as stack:
        try:
            form = stack.enter_context(_form(request, settings))
        except HTTPException as error:
            raise _refusal(error, request, settings) from error
        for name in (PHOTO, ARCHIVE):
            if form.fields.get(name):
                raise BadRequest(f"{name}: expected a file, got text")
        upload = BatchUpload({**form.fields, **request.args.to_dict()})
        photos = list(filter(_is_present, form.photos))
        for at, photo in enumerate(photos):
            upload.photos.append(
                PortionPhoto(
                    photo.name or f"photo {at + 1}", at, partial(_open_photo, photo, settings)
                )
            )
        archive = form.others.get(ARCHIVE)
        if archive and _is_present(archive):
            unpacking = _open_archive(stack, archive, settings)
            if not unpacking.entries:
                raise BadArchive("there is no file in this ZIP")
            for at, entry in enumerate(unpacking.entries, len(photos)):
                source = partial(_open_entry, unpacking, entry, settings)
                upload.photos.append(PortionPhoto(entry.name, at, source))
        yield upload


@contextmanager
def _form(request: Request, settings: Settings) -> Iterator[Form]:
    folder, most, memory = settings.sessionpath, settings.max_batch_bytes, form_memory()
    if request.mimetype in ZIP_TYPES:
        with body_of(request, folder, most, memory) as spool:
            yield Form(others={ARCHIVE: Photo("", spool)})
    elif request.mimetype == "multipart/form-data":
        limit = settings.max_upload_bytes
        with form_of(request, PHOTO, folder, limit, {ARCHIVE: most}, memory=memory) as form:
            yield form
    else:
        yield Form(dict(fields_of(request, memory=memory).items()))


def _is_present(file: Photo) -> bool:
    """Whether there is a file: browsers send one without name and content for an empty field."""
    return bool(file.name or file.too_large or file.picture)


def _open_archive(stack: ExitStack, archive: Photo, settings: Settings) -> Unpacking:
    """Open the ZIP that came in a request and check its list of files."""
    if archive.too_large:
        raise archive_too_large(settings)
    content = archive.picture
    file: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
    return Unpacking(stack.enter_context(file), settings.max_batch_photos, settings.max_batch_bytes)


@contextmanager
def _open_photo(photo: Photo, settings: Settings) -> Iterator[bytes | Path]:
    if photo.too_large:
        raise too_large(settings)
    yield photo.picture


@contextmanager
def _open_entry(
    unpacking: Unpacking, entry: ZipEntry, settings: Settings
) -> Iterator[bytes | Path]:
    limit = settings.max_upload_bytes
    if not entry.refusal and entry.size > limit:
        raise too_large(settings)
    with Spool(settings.sessionpath, limit, memory=form_memory()) as spool:
        for piece in unpacking.read(entry):
            spool.write(piece)
        spool.finish()
        yield spool.picture


def _refusal(error: HTTPException, request: Request, settings: Settings) -> ScaiError:
    if not isinstance(error, RequestEntityTooLarge):
        return BadRequest(BROKEN_UPLOAD, reason=error.description)
    if (request.content_length or 0) > settings.max_batch_bytes:
        return archive_too_large(settings)
    return BadRequest("the form has too many or too long fields", stage="upload")


def archive_too_large(settings: Settings) -> ArchiveTooLarge:
    """The error for a request for a batch with too many bytes."""
    return ArchiveTooLarge(
        f"expected at most {settings.max_batch_mb:g} MB in a request for a batch",
        limit=settings.max_batch_bytes,
        setting="max_batch_mb",
    )
