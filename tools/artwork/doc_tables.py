"""Write the tables of the documents that come from the code.

    python -m tools.artwork.doc_tables

A table stands between two comments, `<!-- table: NAME -->` and `<!-- end of table -->`. Names:

    routes                  every operation of the API
    parameters POST /path   the parameters of one operation
    refusals POST /path     what it answers when it refuses
    errors                  every code of a refusal or failure
    keys SCHEMA             the keys of a shared schema of the API
    settings                every setting of the server
    layers                  which package may import which, as a block of text
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator

import click

from scai.errors import ScaiError
from scai.settings import OPTIONS, ROOT, Settings
from scai.web.openapi import document as openapi
from scai.web.openapi.operations import Operation, Schema

FILES = tuple(ROOT / "docs" / f"{name}.md" for name in ("api", "architecture", "configuration"))
_TABLE = re.compile(r"(<!-- table: (\w+)(?: ([^\n]*))? -->\n).*?(<!-- end of table -->)", re.S)

Row = tuple[str, ...]


def filled(text: str) -> str:
    """Return the text of a document with every table written anew.

    Raises click.ClickException for a table of an unknown name.
    """

    def table(match: re.Match[str]) -> str:
        begin, name, argument, end = match.groups()
        if name not in _TABLES:
            known = ", ".join(_TABLES)
            raise click.ClickException(f"no table {name!r}; expected one of {known}")
        return "\n".join([begin.rstrip("\n"), *_TABLES[name](argument or ""), end])

    return _TABLE.sub(table, text)


def _routes(argument: str) -> Iterator[Row]:
    yield ("route", "what it does")
    for operation in openapi.operations(Settings().kinds.values()):
        if operation.listed:
            yield (f"`{operation.method} {_path(operation)}`", operation.summary)


def _parameters(argument: str) -> Iterator[Row]:
    yield ("name", "in", "type", "meaning")
    for value in _operation(argument).values:
        name = f"**`{value.name}`**" if value.required else f"`{value.name}`"
        yield (name, value.place, _type(value.schema), _sentence(value.about))


def _refusals(argument: str) -> Iterator[Row]:
    yield ("HTTP status", "`code`", "when")
    for answer in _operation(argument).answers:
        if isinstance(answer.example, dict) and answer.example.get("code"):
            about = _sentence(answer.about)
            yield (_status(answer.status, answer.headers), f"`{answer.example['code']}`", about)


def _errors(argument: str) -> Iterator[Row]:
    yield ("`code`", "HTTP status", "meaning")
    todo: list[type[ScaiError]] = [ScaiError]
    while todo:
        kind = todo.pop(0)
        todo = [*kind.__subclasses__(), *todo]
        about = (kind.__doc__ or "").split("\n\n")[0]
        meaning = "Anything unforeseen." if kind is ScaiError else " ".join(about.split())
        yield (f"`{kind.code}`", str(kind.status), meaning)


def _keys(schema: str) -> Iterator[Row]:
    yield ("key", "meaning")
    for name, about in openapi.fields(schema).items():
        yield (f"`{name}`", _sentence(about))


def _settings(argument: str) -> Iterator[Row]:
    yield ("setting", "section", "default", "meaning")
    for name, option in OPTIONS.items():
        rules = option.metadata
        default = f"`{option.default}`" if option.default != "" else ""
        yield (f"`{name}`", rules["section"], default, rules["help"].replace("<", "\\<"))


def _layers(argument: str) -> Iterator[str]:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = rules["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    yield "```"
    yield from (layer.replace("scai.", "") for layer in layers)
    yield "```"


def _table(rows: Callable[[str], Iterator[Row]]) -> Callable[[str], Iterator[str]]:
    """A function that writes those rows, the first of them a heading, as lines of a table."""

    def lines(argument: str) -> Iterator[str]:
        for index, row in enumerate(rows(argument)):
            yield f"| {' | '.join(row)} |".replace("|  |", "| |")
            if index == 0:
                yield "|" + "---|" * len(row)

    return lines


_TABLES: dict[str, Callable[[str], Iterator[str]]] = {
    "routes": _table(_routes),
    "parameters": _table(_parameters),
    "refusals": _table(_refusals),
    "errors": _table(_errors),
    "keys": _table(_keys),
    "settings": _table(_settings),
    "layers": _layers,
}


def _operation(name: str) -> Operation:
    """The operation called "POST /path"."""
    settings = Settings()
    for operation in openapi.operations(settings.kinds.values()):
        if name == f"{operation.method} {_path(operation)}":
            return openapi.fit(operation, settings, {})
    raise click.ClickException(f"no operation {name!r} in the description of the API")


def _path(operation: Operation) -> str:
    """Its path as Flask writes it: /batches/<id>."""
    return operation.path.replace("{", "<").replace("}", ">")


def _sentence(text: str) -> str:
    """The sentence with the default limits, ready for a cell."""
    return text.format_map(openapi.numbers(Settings())).replace("|", "\\|")


def _status(status: int, headers: object) -> str:
    return f"{status}, `Retry-After`" if headers else str(status)


def _type(schema: Schema) -> str:
    """The type of a parameter in a few words: "number, 0 to 1"."""
    if schema["type"] == "array":
        return f"{_type(schema['items'])}, repeatable"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    words = {"binary": "file", "zip": "ZIP file"}.get(schema.get("format", ""), schema["type"])
    if low is None:
        return str(words)
    return f"{words}, {low} to {high}" if high is not None else f"{words}, at least {low}"


@click.command()
def main() -> None:
    """Write the tables of docs/ that come from the code."""
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        new = filled(text)
        if new != text:
            file.write_text(new, encoding="utf-8")
            click.echo(f"{file.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
