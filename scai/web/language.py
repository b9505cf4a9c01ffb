"""The languages of the page: which one a browser gets, and the sentences in it.

A sentence's English words are its key. Each page's sentences in another language lie in
static/i18n/<language>/<page>.json, where the page's scripts read them too; "base" is every page's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from werkzeug.datastructures import LanguageAccept

ENGLISH = "en"
# The language's tag and its name in itself.
LANGUAGES = {ENGLISH: "English", "zh-Hant": "繁體中文"}
COOKIE = "lang"
KEEP = 365 * 24 * 3600  # seconds


def chosen(asked: str, kept: str, accepted: LanguageAccept) -> str:
    """The language for a browser: asked for in the address, kept in its cookie, or its own."""
    for tag in (asked, kept):
        if tag in LANGUAGES:
            return tag
    for tag, _ in accepted:
        # Every Chinese reader is better served by traditional letters than by English.
        if tag.lower().split("-")[0] == "zh":
            return "zh-Hant"
        if tag.lower().split("-")[0] == ENGLISH:
            return ENGLISH
    return ENGLISH


class Words:
    """The sentences of one language; `folder` holds a folder of catalogues for each."""

    def __init__(self, folder: Path, language: str) -> None:
        self.language = language
        self._said: dict[str, str] = {}
        for file in catalogues(folder, language):
            self._said.update(json.loads(file.read_text(encoding="utf-8")))

    def say(self, sentence: str, **values: object) -> str:
        """`sentence` in this language, or as it is, with `values` in the places of their names."""
        words = self._said.get(sentence, sentence)
        return words.format(**values) if values else words

    def count(self, n: int, one: str, many: str, **values: object) -> str:
        """`one` when `n` is 1, else `many`, with "{n}" in it; other languages translate `many`."""
        if self.language == ENGLISH and n == 1:
            return one.format(n=n, **values)
        return self.say(many, n=n, **values)


def catalogues(folder: Path, language: str) -> Iterable[Path]:
    """The files of one language; none for English."""
    return sorted((folder / language).glob("*.json"))
