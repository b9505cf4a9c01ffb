"""Which bodies may come, by the header of their request: known before any of the body is read."""

from __future__ import annotations

from scai.errors import ScaiError
from scai.jobs.service import JobService
from scai.settings import FORM_ROOM, Settings
from scai.storage.upload_spool import IN_MEMORY
from scai.web.batch_forms import archive_too_large
from scai.web.forms import request_too_large, too_large

_BATCHES = ("/batch", "/batches")
_PAGE = "/photo"


class Gate:
    """The gate of one installation. It takes microseconds and waits for no disk."""

    def __init__(self, settings: Settings, service: JobService) -> None:
        self._settings = settings
        self._service = service
        self._kinds = {kind.upload: name for name, kind in settings.kinds.items()}

    def admit(
        self, path: str, content_type: str, length: int, client: str
    ) -> tuple[int, ScaiError]:
        """The most bytes that a body may have, and the refusal of a longer one.

        length: that is announced, or 0; client: its address

        Raises ClientLimit, Busy or StorageFull where there is no room for an upload now.
        """
        settings = self._settings
        is_batch = path in _BATCHES or path.startswith("/batches/")
        if length > IN_MEMORY and (is_batch or path == _PAGE or path in self._kinds):
            # A shorter one costs less to read than this.
            self._service.glance_at_room(self._kinds.get(path), length, client)
        if is_batch:
            return settings.max_batch_bytes + FORM_ROOM, archive_too_large(settings)
        if path in self._kinds and not content_type.lower().startswith("multipart/form-data"):
            return settings.max_upload_bytes, too_large(settings)
        return settings.max_request_bytes, request_too_large(settings)
