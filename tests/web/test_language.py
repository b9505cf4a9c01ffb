"""The sentences of the pages: which language, and that every one of them is translated."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from werkzeug.datastructures import LanguageAccept

from scai import kinds
from scai.settings import ROOT
from scai.web import language, page
from scai.web.language import Words
from scai.web.openapi import document

I18N = ROOT / "static" / "i18n"
TAGS = [tag for tag in language.LANGUAGES if tag != language.ENGLISH]
# A sentence is one string in double quotes, so that it can be found.
_STRING = r'"((?:[^"\\]|\\.)*)"'
_ONE = re.compile(rf"\b(?:_|t)\(\s*{_STRING}")
_MANY = re.compile(rf"\b(?:count|tn)\(\s*[^;]*?,\s*{_STRING}\s*,\s*{_STRING}", re.S)


def said() -> set[str]:
    """Every sentence of templates, scripts, kinds and the API, as catalogues know it."""
    found = {words for _, words in page.MENU}
    for file in [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "js").rglob("*.js")]:
        text = file.read_text()
        found |= set(_ONE.findall(text)) | {many for _, many in _MANY.findall(text)}
    found = {json.loads(f'"{words}"') for words in found} | document.sentences(
        kinds.load().values()
    )
    return found.union(*(kind.sentences() for kind in kinds.load().values()))


def catalogue(tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in language.catalogues(I18N, tag):
        found.update(json.loads(file.read_text()))
    return found


@pytest.mark.parametrize("tag", TAGS)
def test_every_sentence_is_translated_and_no_other(tag: str) -> None:
    translations = catalogue(tag)
    assert said() - set(translations) == set()
    assert set(translations) - said() == set()


@pytest.mark.parametrize("tag", TAGS)
def test_translations_have_the_places_of_their_sentences(tag: str) -> None:
    for sentence, words in catalogue(tag).items():
        assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", sentence)), sentence
        assert words.strip(), sentence


@pytest.mark.parametrize(
    "accepted, tag",
    [
        ("", "en"),
        ("de, zh-TW;q=0.9, en;q=0.8", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("zh-CN", "zh-Hant"),
        ("en-GB, zh;q=0.5", "en"),
        ("de", "en"),
    ],
)
def test_a_browser_gets_its_own_language(accepted: str, tag: str) -> None:
    pairs = []
    for part in filter(None, accepted.split(", ")):
        name, _, quality = part.partition(";q=")
        pairs.append((name, float(quality or 1)))
    assert language.choose("", "", LanguageAccept(pairs)) == tag


def test_what_is_asked_for_goes_before_the_cookie_and_that_before_the_browser() -> None:
    accepted = LanguageAccept([("zh-TW", 1)])
    assert language.choose("", "en", accepted) == "en"
    assert language.choose("zh-Hant", "en", LanguageAccept([("en", 1)])) == "zh-Hant"
    assert language.choose("xx", "'\"", accepted) == "zh-Hant"


def test_sentences_take_values_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "zh-Hant").mkdir()
    (tmp_path / "zh-Hant" / "base.json").write_text(
        json.dumps({"{n} photos": "{n} 張照片", "Hello {name}": "{name}，您好"})
    )
    english, chinese = Words(tmp_path, "en"), Words(tmp_path, "zh-Hant")
    assert english.count(1, "{n} photo", "{n} photos") == "1 photo"
    assert english.count(2, "{n} photo", "{n} photos") == "2 photos"
    assert chinese.count(1, "{n} photo", "{n} photos") == "1 張照片"
    assert chinese.say("Hello {name}", name="<b>") == "<b>，您好"
    assert chinese.say("Not translated {x}", x="{y}") == "Not translated {y}"
