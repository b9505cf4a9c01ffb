"""Serve the pages' scripts, styles and pictures under addresses that change with their content.

A browser may cache such a file for ever. Modules import each other by relative addresses, so the
mark of the content is a folder in the path of all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Any

from flask import Flask, request
from flask.wrappers import Response

# Types worth compressing; pictures are compressed already.
_TEXTS = (".css", ".js", ".json", ".svg")
_MARK = re.compile(r"v-[0-9a-f]{12}/")


def serve_statics(app: Flask, folder: Path) -> None:
    """Serve the files of `folder` below /static/, and make `url_for` give addresses with the mark.

    The mark is a digest of the folder as it is now. Under an address without it, or with that of
    another version, a browser has to ask each time whether its copy is still the same.
    """
    app.static_folder = str(folder)
    mark = f"v-{_digest(folder)}/"
    texts = _texts(folder)
    gzip_cache: dict[str, bytes] = {}  # by name, from the first request on

    def static(filename: str) -> Response:
        name = _without_mark(filename)
        if name in texts and request.accept_encodings["gzip"] > 0:
            if name not in gzip_cache:
                gzip_cache[name] = gzip.compress((folder / name).read_bytes(), mtime=0)
            response = _gzip_response(gzip_cache[name], name)
        else:
            response = app.send_static_file(name)
        if name in texts:
            response.headers["Vary"] = "Accept-Encoding"
        if filename.startswith(mark):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response

    def add_mark(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and not _MARK.match(values.get("filename", "")):
            values["filename"] = mark + values["filename"]

    app.add_url_rule("/static/<path:filename>", "static", static)
    app.url_defaults(add_mark)


def _texts(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.suffix in _TEXTS}


def _gzip_response(data: bytes, name: str) -> Response:
    response = Response(data, mimetype=mimetypes.guess_type(name)[0])
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"] = "no-cache"
    response.set_etag(hashlib.sha256(data).hexdigest()[:32])
    response.make_conditional(request)
    return response


def _without_mark(filename: str) -> str:
    match = _MARK.match(filename)
    return filename[match.end() :] if match else filename


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(folder)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
