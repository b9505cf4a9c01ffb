"""docs/security.md names settings that exist, and every limit on strangers that there is."""

from __future__ import annotations

import re

from scai.settings import OPTIONS, ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
# Limits of the operator's own programs, not of strangers.
_OWN = {"max_jobs", "max_models", "max_wait"}


def test_the_page_names_every_limit_on_strangers() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE))
    limits = {name for name in OPTIONS if name.startswith(("max_", "keep_m", "min_free"))}
    assert limits - named == _OWN
    assert {"trusted_hosts", "allowed_origins", "admin"} <= named


def test_every_setting_in_the_last_column_exists() -> None:
    rows = re.findall(r"^\|.*\|.*\| (.*?) \|$", PAGE, re.MULTILINE)
    settings = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(settings) > 10
    assert settings - {"sandbox"} <= set(OPTIONS)


def test_it_is_one_page() -> None:
    assert len(PAGE.splitlines()) < 80
