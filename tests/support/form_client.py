"""A test client whose forms look as those of browsers, curl and `requests` do.

Werkzeug's own begins a form with an empty line. The server reads such a form by its slow way, which
hardly any client in the world goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask.testing import FlaskClient
from urllib3.filepost import encode_multipart_formdata
from werkzeug.test import TestResponse

Field = tuple[str, Any]


class FormClient(FlaskClient):
    """Flask's client, with the bodies of its forms made by urllib3."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        fields = _fields(kwargs.get("data"))
        own_type = str(kwargs.get("content_type") or "")
        if any(isinstance(value, tuple) for _, value in fields) and "boundary" not in own_type:
            body, content_type = encode_multipart_formdata(fields)
            kwargs |= {"data": body, "content_type": content_type}
        return super().open(*args, **kwargs)


def _fields(data: object) -> list[Field]:
    """The fields of a form as urllib3 takes them: text, or (file name, content[, type])."""
    if not isinstance(data, Mapping):
        return []
    fields: list[Field] = []
    for name, values in data.items():
        for value in values if isinstance(values, list) else [values]:
            fields.append((name, _file(value) if isinstance(value, tuple) else str(value)))
    return fields


def _file(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """(file name, content[, type]) of Werkzeug's (open file, file name[, type])."""
    file, filename, *rest = value
    return (filename, file.read(), *rest)
