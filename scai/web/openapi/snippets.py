"""An operation as a curl command and as a Python program, with the values of its examples.

static/js/pages/docs/snippets.js writes the same with the values that the reader fills in.
"""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import quote

from scai.web.openapi.operations import FILES, Operation, Value

_PLAIN = re.compile(r"[A-Za-z0-9@=._/:-]+")
# A dict of more characters than this gets several lines.
_SHORT = 40
_SECONDS = 90  # longer than the longest answer takes


def curl(operation: Operation, server: str) -> str:
    """The command line that requests the operation."""
    parts = ["curl"]
    if operation.type == "text/event-stream":
        parts[0] += " -N"
    if operation.save:
        parts[0] += f" -o {operation.save}"
    if operation.method == "PUT" or (operation.method != "GET" and not operation.bodies):
        parts[0] += f" -X {operation.method}"
    for value in _values_in(operation, "form"):
        if _is_file(value):
            parts.append(f"-F {value.name}=@{value.example}")
        else:
            parts.append(f"--form-string {value.name}={value.example}")
    parts += [f"--data-binary @{value.example}" for value in _values_in(operation, "body")]
    parts.append(_quote(_address(operation, server)))
    return _broken(parts)


def python(operation: Operation, server: str) -> str:
    """The program that requests the operation and prints the answer."""
    arguments = [_literal(server + _path(operation))]
    files = [value for value in _values_in(operation, "form") if _is_file(value)]
    fields = [value for value in _values_in(operation, "form") if not _is_file(value)]
    body = _values_in(operation, "body")
    if query := _values_in(operation, "query"):
        arguments.append(f"params={_dict(query)}")
    if files:
        arguments.append(f'files={{"{files[0].name}": photo}}')
    if fields:
        arguments.append(f"data={_dict(fields)}")
    if body:
        arguments.append("data=photo")
    events = operation.type == "text/event-stream"
    arguments += ["stream=True"] if events else []
    arguments.append(f"timeout={_SECONDS}")
    inside = "".join(f"\n    {each}," for each in arguments) + "\n"
    call = f"answer = requests.{operation.method.lower()}({inside})"
    if files or body:
        opening = f'with open({_literal((files or body)[0].example)}, "rb") as photo:\n'
        call = opening + "\n".join(f"    {line}" for line in call.split("\n"))
    return f"import requests\n\n{call}\n{_print_answer(operation)}"


def _print_answer(operation: Operation) -> str:
    """The lines of the program that print or save the answer."""
    if operation.type == "text/event-stream":
        return "for line in answer.iter_lines(decode_unicode=True):\n    print(line)"
    if operation.save:
        return (
            "answer.raise_for_status()\n"
            f'with open({_literal(operation.save)}, "wb") as file:\n'
            "    file.write(answer.content)"
        )
    return "print(answer.status_code, answer.text)"


def _values_in(operation: Operation, place: str) -> list[Value]:
    return [value for value in operation.values if value.place == place and value.example]


def _is_file(value: Value) -> bool:
    items = value.schema.get("items", value.schema)
    return items.get("format") in FILES


def _path(operation: Operation) -> str:
    path = operation.path
    for value in _values_in(operation, "path"):
        path = path.replace(f"{{{value.name}}}", quote(value.example, safe=""))
    return path


def _address(operation: Operation, server: str) -> str:
    query = [f"{v.name}={quote(v.example, safe='')}" for v in _values_in(operation, "query")]
    return server + _path(operation) + ("?" + "&".join(query) if query else "")


def _quote(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else shlex.quote(word)


def _broken(parts: list[str]) -> str:
    """A command on one line, or on several if it is long."""
    one = " ".join(parts)
    return one if len(one) <= 60 or len(parts) < 3 else " \\\n  ".join(parts)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _dict(values: list[Value]) -> str:
    pairs = [f"{_literal(value.name)}: {_literal(value.example)}" for value in values]
    one = ", ".join(pairs)
    if len(one) <= _SHORT:
        return f"{{{one}}}"
    return "{" + "".join(f"\n        {pair}," for pair in pairs) + "\n    }"
