"""The parts of the API's description: groups of operations, with their values and answers.

Sentences may hold a limit of the server by its name, such as "{max_mb}", and lists may hold
KIND_NAMES; document.py fills both in. Text between backquotes is code. Paths are written as
OpenAPI writes them: /batches/{id}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scai.errors import ScaiError
from scai.web import answers

Schema = dict[str, Any]
JSON = "application/json"
# What an operation can create, and the value of later requests that names it.
OPENED_BY = {"session": "task", "batch": "id"}
# A placeholder for the names of the kinds of recognition.
KIND_NAMES = ["{kinds}"]
# The formats of values that are files.
FILES = ("binary", "zip")
# Patterns of a session's name and key, and the examples of both.
TASK = "^d-[0-9]{8}-[0-9a-f]{40}$"
KEY = "^[0-9a-f]{40}$"
A_TASK = "d-20261121-019aa6c4b0f27c1d9e3a5b6c7d8e9f0a1b2c3d4e"
A_KEY = "5f2b8c1e9d4a7f3062b1c8e5d9a4f7036e2b1c8d"


@dataclass(frozen=True)
class Value:
    """One value of a request.

    place: "query", "path", "form" (a field) or "body" (the whole body).
    example: what the examples on the page send; they leave an optional value with "" out.
    """

    name: str
    about: str
    schema: Schema
    place: str = "query"
    required: bool = False
    example: str = ""


@dataclass(frozen=True)
class Answer:
    """One possible answer, and when it comes.

    schema: the name of a shared schema, or a schema.
    type: the media type; "" for an answer without a body.
    headers: the meaning of each header, by its name.
    """

    status: int
    about: str
    schema: str | Schema = ""
    example: Any = None
    type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One request that a program can make.

    about: details that `summary` leaves out.
    bodies: media types of the request body; a form has the values whose place is "form".
    kind: the kind of recognition that it belongs to, "" if to none.
    opens: a key of OPENED_BY if its answer has the name and the key of something new.
    save: the file to which the examples write the answer.
    listed: whether the page shows it.
    """

    method: str
    path: str
    summary: str
    about: str = ""
    values: tuple[Value, ...] = ()
    bodies: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    kind: str = ""
    opens: str = ""
    save: str = ""
    listed: bool = True

    @property
    def name(self) -> str:
        """Its name in addresses: "get-batches-id-csv"."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.method}{self.path}".lower()).strip("-")

    @property
    def type(self) -> str:
        """The media type of its first answer, which is a success; "" for no body."""
        return self.answers[0].type if self.answers else ""


@dataclass(frozen=True)
class Group:
    """Operations that belong together, and the schemas that they share."""

    name: str
    about: str
    operations: tuple[Operation, ...]
    schemas: Mapping[str, Schema] = field(default_factory=dict)


SESSION = (
    Value(
        "task",
        "The `sessname` from the upload's answer.",
        {"type": "string", "pattern": TASK},
        required=True,
        example="SESSNAME",
    ),
    Value(
        "key",
        "The `sesskey` from the upload's answer.",
        {"type": "string", "pattern": KEY},
        required=True,
        example="SESSKEY",
    ),
)


def ref(name: str) -> Schema:
    """The shared schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(about: str, required: str, /, **properties: Schema) -> Schema:
    """An object; `required` lists the keys that are always present, separated by spaces."""
    schema: Schema = {"type": "object", "description": about, "properties": properties}
    return {**schema, "required": required.split()} if required else schema


def rows(about: str, items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "description": about, "items": items}


def text(about: str, **more: Any) -> Schema:
    """A string."""
    return {"type": "string", "description": about, **more}


def number(about: str, **more: Any) -> Schema:
    """A number, possibly with a fraction."""
    return {"type": "number", "description": about, **more}


def whole(about: str, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": about, **more}


def yes_no(about: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": about}


def problem(kind: type[ScaiError], about: str, sentence: str, **details: Any) -> Answer:
    """The answer for an error of class `kind`, with `sentence` in its example."""
    error = kind(sentence, **details)
    return Answer(error.status, about, "Problem", answers.problem(error), headers=_headers(details))


def refusal(kind: type[ScaiError], about: str, sentence: str, **details: Any) -> Answer:
    """The same with the keys of the original SCAI."""
    error = kind(sentence, **details)
    return Answer(error.status, about, "Refusal", answers.refusal(error), headers=_headers(details))


def _headers(details: Mapping[str, Any]) -> dict[str, str]:
    wait = {"Retry-After": "Seconds to wait before trying again."}
    return wait if "retry_after" in details else {}
