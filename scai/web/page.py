"""How every page is made: its language, its place in the menu, its headers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Response, current_app, render_template, request

from scai import __version__
from scai.jobs import inputs
from scai.kinds import Kind
from scai.settings import ROOT
from scai.web import addresses, csrf, language, scripts
from scai.web.language import LANGUAGES, Words

# Endpoint and words of each page in the menu; those whose routes are missing are left out.
MENU = (
    ("pages.home", "Recognise"),
    ("batches.page", "Batch"),
    ("history.page", "History"),
    ("models.page", "Models"),
    ("status.page", "Status"),
    ("docs.page", "API"),
)
_STATIC = ROOT / "static"
_I18N = _STATIC / "i18n"


def render(template: str, name: str, status: int = 200, **values: object) -> Response:
    """The page of `template`; `name` is that of its catalogue static/i18n/<language>/<name>.json.

    In the template, `_("sentence {value}", value=…)` and `count(n, "{n} photo", "{n} photos")` say
    things in the reader's language; `csrf_token()` is for the hidden field of a form.
    """
    tag = language.choose(
        request.args.get("lang", ""),
        request.cookies.get(language.COOKIE, ""),
        request.accept_languages,
    )
    words = _words(tag)
    kinds: Mapping[str, Kind] = current_app.config["KINDS"]
    page = render_template(
        template,
        _=words.say,
        count=words.count,
        csrf_token=csrf.token,
        lang=tag,
        languages=LANGUAGES,
        here=addresses.in_language,
        kinds_by_name={name: _for_pages(kind, words) for name, kind in kinds.items()},
        catalogues=_catalogues(tag, name),
        page_modules=_page_modules,
        menu=[entry for entry in MENU if entry[0] in current_app.view_functions],
        version=__version__,
        **values,
    )
    # The page names the files of its own version, and its content depends on the reader.
    # A foreign worker's label may hold half a surrogate pair, which cannot be sent.
    response = Response(page.encode("utf-8", "replace"), status, mimetype="text/html")
    # A page with the key of a photo or a batch in its address must not be stored anywhere.
    response.headers["Cache-Control"] = "no-store" if "key" in request.args else "no-cache"
    response.headers["Vary"] = "Accept-Language, Cookie"
    if request.args.get("lang") == tag:
        response.set_cookie(
            language.COOKIE, tag, max_age=language.MAX_AGE, samesite="Lax", secure=request.is_secure
        )
    return csrf.set_cookie(response)


def _for_pages(kind: Kind, words: Words) -> dict[str, Any]:
    """A kind of recognition for templates and scripts: `Kind.to_dict` in the reader's language.

    `accept` lists the media types of files that it takes, as a file chooser expects them.
    """
    return {**kind.to_dict(words.say), "accept": ",".join(inputs.of(kind).media_types)}


def _page_modules(name: str) -> tuple[str, ...]:
    """The modules that static/js/pages/<name>.js loads at once, below static/."""
    return scripts.modules_of(_STATIC, f"js/pages/{name}.js")


@cache
def _words(tag: str) -> Words:
    return Words(_I18N, tag)


@cache
def _catalogues(tag: str, name: str) -> list[str]:
    """The catalogues that the scripts of page `name` read, below static/."""
    files = [f"i18n/{tag}/{part}.json" for part in ("base", "viewer", name)]
    return [file for file in files if (_STATIC / file).exists()]
