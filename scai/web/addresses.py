"""Addresses of this server and of its pages, as answers and pages give them."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from flask import request, url_for


def server() -> str:
    """The address under which the reader reaches this server, without a slash at its end."""
    return request.host_url.rstrip("/")


def in_language(tag: str) -> str:
    """The query that shows the page of this request in another language."""
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return "?" + urlencode([*query, ("lang", tag)])


def photos_page(pairs: Sequence[tuple[str, str]]) -> str:
    """The page of photos, by the task and the key of each."""
    tasks, keys = [task for task, _ in pairs], [key for _, key in pairs]
    return url_for("photos.page", task=tasks, key=keys)


def batch_page(name: str, key: str) -> str:
    """The page of a batch for browsers without scripts."""
    return url_for("batches.page", id=name, key=key, plain="1")
