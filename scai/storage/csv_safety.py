"""Cells of CSV files with text from strangers: spreadsheets run a text that begins like a formula.

Such a text gets a quote in front (OWASP, CSV Injection).
"""

from __future__ import annotations

# The wide signs count too: East Asian spreadsheets take them for the narrow ones.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(value: object) -> object:
    """A number as it is; anything else as a text that no spreadsheet takes for a formula."""
    if isinstance(value, int | float):
        return value
    text = str(value).replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text
