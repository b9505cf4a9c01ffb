"""The description of the API: an OpenAPI 3.1 document, and the parts that the page /docs shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scai import __version__
from scai.kinds import Kind
from scai.settings import Settings
from scai.web.openapi import batches, events, models, recognise, results, status
from scai.web.openapi.operations import (
    KIND_NAMES,
    OPENED_BY,
    Answer,
    Group,
    Operation,
    Schema,
    Value,
    ref,
)

_ABOUT = (
    "Image recognition on your own server. Every error in JSON has the keys of "
    "Problem. HEAD works wherever GET does, and OPTIONS lists the methods. A request to a host "
    "name that the server does not know gets 421, and one that changes something from a page of "
    "another site 403."
)
# Keys whose values are sentences.
_SENTENCES = ("description", "summary")


def groups(kinds: Iterable[Kind]) -> tuple[Group, ...]:
    """All groups of operations, with those of these kinds of recognition."""
    kinds = tuple(kinds)
    return (
        recognise.group(kinds),
        results.group(kinds),
        events.GROUP,
        batches.GROUP,
        models.GROUP,
        status.GROUP,
    )


def operations(kinds: Iterable[Kind]) -> Iterator[Operation]:
    """Every operation, in the order of the groups."""
    for group in groups(kinds):
        yield from group.operations


def numbers(settings: Settings) -> dict[str, str]:
    """The limits of this server, by the names that the sentences use."""
    return {
        "max_mb": f"{settings.max_upload_mb:g}",
        "max_request_mb": f"{settings.max_request_mb:g}",
        "max_megapixels": f"{settings.max_megapixels:g}",
        "max_batch_mb": f"{settings.max_batch_mb:g}",
        "max_batch_photos": str(settings.max_batch_photos),
        "max_wait": f"{settings.max_wait:g}",
    }


def document(
    settings: Settings, server: str, models: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The whole description as an OpenAPI document.

    server: the address under which the reader reaches this server.
    models: the model names that an upload may give, by kind of recognition.
    """
    paths: dict[str, dict[str, Any]] = {}
    kinds = settings.kinds.values()
    links = _Links(kinds)
    for group in groups(kinds):
        for operation in group.operations:
            item = paths.setdefault(operation.path, {})
            fit_operation = fit(operation, settings, models)
            item[operation.method.lower()] = _operation(fit_operation, group.name, links)
    description: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "SCAI", "version": __version__, "description": _ABOUT},
        "servers": [{"url": server}],
        "tags": [{"name": group.name, "description": group.about} for group in groups(kinds)],
        "paths": paths,
        "components": {"schemas": schemas()},
    }
    document: dict[str, Any] = _fill(description, numbers(settings), list(settings.kinds))
    return document


def fit(operation: Operation, settings: Settings, models: Mapping[str, Sequence[str]]) -> Operation:
    """The operation with the kinds, the models and the limits of this server in its values."""
    names = list(dict.fromkeys(models.get(operation.kind, ())))
    limits: dict[str, Schema] = {"expected": {"maximum": settings.max_batch_photos}}
    if names:
        limits["model"] = {"enum": names}
    if settings.kinds:
        limits["kind"] = {"enum": list(settings.kinds)}
    values = (
        replace(value, schema={**value.schema, **limits.get(value.name, {})})
        for value in operation.values
    )
    return replace(operation, values=tuple(values))


def schemas() -> dict[str, Schema]:
    """The shared schemas of all groups, by name."""
    return {name: schema for group in groups(()) for name, schema in group.schemas.items()}


def sentences(kinds: Iterable[Kind]) -> set[str]:
    """Every sentence of the description that /docs shows, with its placeholders."""
    kinds = tuple(kinds)
    texts = {about(schema) for schema in schemas().values()}
    for name in schemas():
        texts |= set(fields(name).values())
    for group in groups(kinds):
        texts |= {group.name, group.about}
    for operation in operations(kinds):
        if operation.listed:
            texts |= {operation.summary, operation.about}
            texts |= {value.about for value in operation.values}
            for answer in operation.answers:
                texts |= {answer.about, *answer.headers.values()}
    return texts - {""}


def fields(schema: str) -> dict[str, str]:
    """The keys of a shared schema with their descriptions; a nested key reads "files[].bytes"."""
    return dict(_fields(schemas()[schema], ""))


def _fields(schema: Schema, before: str) -> Iterator[tuple[str, str]]:
    for name, field in schema.get("properties", {}).items():
        yield before + name, about(field)
        nested = field.get("items", field)
        yield from _fields(nested, f"{before}{name}{'[]' if 'items' in field else ''}.")


def name_of(schema: str | Schema) -> str:
    """The shared schema that describes the keys of an answer; "" if there is none."""
    if isinstance(schema, str):
        shared = schemas().get(schema, {})
        return schema if shared.get("properties") else name_of(shared)
    if "$ref" in schema:
        return name_of(schema["$ref"].rpartition("/")[2])
    inside = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    inside += [schema["items"]] if "items" in schema else []
    return next(filter(None, map(name_of, inside)), "")


def about(schema: Schema) -> str:
    """The description of a schema, or of the shared schema that it refers to."""
    if "$ref" in schema:
        schema = schemas()[schema["$ref"].rpartition("/")[2]]
    return str(schema.get("description", ""))


def _operation(operation: Operation, group: str, links: _Links) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for answer in operation.answers:
        response = answers.setdefault(str(answer.status), {"description": answer.about})
        _add(response, answer)
    if operation.opens:
        answers[str(operation.answers[0].status)]["links"] = links.of(operation)
    spec: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [group],
        "summary": operation.summary,
        "description": operation.about or operation.summary,
        "parameters": [_parameter(v) for v in operation.values if v.place in ("path", "query")],
        "responses": answers,
    }
    if operation.bodies:
        spec["requestBody"] = {
            "required": True,
            "content": {body: {"schema": _body(operation, body)} for body in operation.bodies},
        }
    return spec


def _add(response: dict[str, Any], answer: Answer) -> None:
    """Add one more media type to the answer with this status."""
    if answer.headers:
        response["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}}
            for name, meaning in answer.headers.items()
        }
    if not answer.type:
        return
    schema = ref(answer.schema) if isinstance(answer.schema, str) and answer.schema else None
    content: dict[str, Any] = {"schema": schema or answer.schema or {}}
    if answer.example is not None:
        content["example"] = answer.example
    response.setdefault("content", {})[answer.type] = content


class _Links:
    """Links from an operation to those that take the name and the key from its answer."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        kinds = tuple(kinds)
        # The annotated picture does not exist before the result.
        later = {kind.output for kind in kinds}
        self._operations = [each for each in operations(kinds) if each.path not in later]

    def of(self, operation: Operation) -> dict[str, Any]:
        """The links of `operation`, by the name of the operation that each leads to."""
        name = OPENED_BY[operation.opens]
        body = {"task": "sessname", "id": "id"}[name], {"task": "sesskey", "id": "key"}[name]
        parameters = {name: f"$response.body#/{body[0]}", "key": f"$response.body#/{body[1]}"}
        return {
            other.name: {"operationId": other.name, "parameters": parameters}
            for other in self._operations
            if other.kind == operation.kind
            and set(parameters) <= {value.name for value in other.values if value.required}
        }


def _parameter(value: Value) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": value.name,
        "in": value.place,
        "required": value.required,
        "description": value.about,
        "schema": value.schema,
    }
    if value.schema.get("type") == "array":
        spec |= {"style": "form", "explode": True}
    return spec


def _body(operation: Operation, body: str) -> Schema:
    if "form" not in body:
        return {"type": "string", "format": "binary"}
    values = [value for value in operation.values if value.place == "form"]
    return {
        "type": "object",
        "properties": {v.name: {**v.schema, "description": v.about} for v in values},
        "required": [value.name for value in values if value.required],
    }


def _fill(node: Any, values: Mapping[str, str], kinds: list[str]) -> Any:
    """A copy with the server's limits in its sentences, and its kinds for KIND_NAMES."""
    if node == KIND_NAMES:
        return kinds
    if isinstance(node, list):
        return [_fill(each, values, kinds) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: each.format(**values)
        if key in _SENTENCES and isinstance(each, str)
        else _fill(each, values, kinds)
        for key, each in node.items()
    }
