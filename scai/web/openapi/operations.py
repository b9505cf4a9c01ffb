"""What the description of the API is made of: groups of operations, their values and answers.

Sentences may hold the server's own numbers by name, such as "{max_mb}", and lists the names of its
kinds of recognition, as KIND_NAMES; document.py fills both in.
Words between backquotes are code. Paths are written as OpenAPI writes them: /batches/{id}.
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
# What an operation may make, and the value of a request that names such a thing.
OPENED_BY = {"session": "task", "batch": "id"}
# Stands for the names of the kinds of recognition, wherever one is expected.
KIND_NAMES = ["{kinds}"]
# Formats of values that are files.
FILES = ("binary", "zip")
# A session's name and key, and what the examples show in their places.
TASK = "^d-[0-9]{8}-[0-9a-f]{40}$"
KEY = "^[0-9a-f]{40}$"
A_TASK = "d-20261121-019aa6c4b0f27c1d9e3a5b6c7d8e9f0a1b2c3d4e"
A_KEY = "5f2b8c1e9d4a7f3062b1c8e5d9a4f7036e2b1c8d"


@dataclass(frozen=True)
class Value:
    """One value of a request; its place is "query", "path", "form" (a field) or "body" (all of it).

    `example` is what the examples of the page send; "" leaves an optional value out of them.
    """

    name: str
    about: str
    schema: Schema
    place: str = "query"
    required: bool = False
    example: str = ""


@dataclass(frozen=True)
class Answer:
    """One answer: when it comes, what it holds; `type` "" is an answer without a body.

    `schema` names a shared schema, or is one. `headers` maps a header's name to its meaning.
    """

    status: int
    about: str
    schema: str | Schema = ""
    example: Any = None
    type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One thing a program may ask for. `about` adds to `summary` what is not plain by itself.

    `bodies` are the media types of a request's body; a form holds the values whose place is
    "form". `kind` is the kind of recognition that it belongs to, if to one. `opens`: its answer
    names something new and its key, a key of OPENED_BY. `save` is the file that examples write
    its answer to. `listed` is False where the page need not show it.
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
        """The media type of what it answers when all is well; "" for nothing."""
        return self.answers[0].type if self.answers else ""


@dataclass(frozen=True)
class Group:
    """Operations that belong together, and the schemas that they share with others."""

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
    """An object; `required` holds the names of keys that never miss, with spaces between."""
    found: Schema = {"type": "object", "description": about, "properties": properties}
    return {**found, "required": required.split()} if required else found


def rows(about: str, items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "description": about, "items": items}


def text(about: str, **more: Any) -> Schema:
    """A string."""
    return {"type": "string", "description": about, **more}


def number(about: str, **more: Any) -> Schema:
    """A number, with a fraction or without."""
    return {"type": "number", "description": about, **more}


def whole(about: str, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": about, **more}


def yes_no(about: str) -> Schema:
    """True or false."""
    return {"type": "boolean", "description": about}


def problem(kind: type[ScaiError], about: str, sentence: str, **details: Any) -> Answer:
    """The answer in which an error of that class comes, with its sentence as the example."""
    error = kind(sentence, **details)
    return Answer(error.status, about, "Problem", answers.problem(error), headers=_headers(details))


def refusal(kind: type[ScaiError], about: str, sentence: str, **details: Any) -> Answer:
    """The same in the form of the original SCAI."""
    error = kind(sentence, **details)
    return Answer(error.status, about, "Refusal", answers.refusal(error), headers=_headers(details))


def _headers(details: Mapping[str, Any]) -> dict[str, str]:
    wait = {"Retry-After": "Seconds to wait before trying again."}
    return wait if "retry_after" in details else {}
