"""The languages of the pages: which one a browser gets, and the sentences in it.

The English sentence is its own key. static/i18n/<language>/<page>.json holds the translations of a
page, for its scripts too; those in base.json belong to every page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from werkzeug.datastructures import LanguageAccept

ENGLISH = "en"
# Each language's tag, and its own name for itself.
LANGUAGES = {ENGLISH: "English", "zh-Hant": "繁體中文"}
COOKIE = "lang"
MAX_AGE = 365 * 24 * 3600  # of the cookie, in seconds


def choose(query: str, cookie: str, header: LanguageAccept) -> str:
    """The language for a browser: by the address, else by the cookie, else by its settings."""
    for tag in (query, cookie):
        if tag in LANGUAGES:
            return tag
    for tag, _ in header:
        # Traditional characters serve every reader of Chinese better than English does.
        if tag.lower().split("-")[0] == "zh":
            return "zh-Hant"
        if tag.lower().split("-")[0] == ENGLISH:
            return ENGLISH
    return ENGLISH


class Words:
    """The sentences of one language; `folder` holds a folder of catalogues for each."""

    def __init__(self, folder: Path, language: str) -> None:
        self.language = language
        self._translations: dict[str, str] = {}
        for file in catalogues(folder, language):
            self._translations.update(json.loads(file.read_text(encoding="utf-8")))

    def say(self, sentence: str, **values: object) -> str:
        """Translate `sentence`, if it is known, and put `values` in the places of their names."""
        words = self._translations.get(sentence, sentence)
        return words.format(**values) if values else words

    def count(self, n: int, one: str, many: str, **values: object) -> str:
        """Say `one` if `n` is 1, else `many`, with `n` for "{n}". Only `many` is translated."""
        if self.language == ENGLISH and n == 1:
            return one.format(n=n, **values)
        return self.say(many, n=n, **values)


def catalogues(folder: Path, language: str) -> Iterable[Path]:
    """The files of one language; none for English."""
    return sorted((folder / language).glob("*.json"))
