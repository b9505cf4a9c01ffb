"""The settings of the server: what there are (options), and how they are read (reading)."""

from pathlib import Path

from scai.settings.options import FORM_ROOM, MAX_RESULTS, OPTIONS, Settings
from scai.settings.reading import CONFIG_FILE, as_environment, load, parse, seconds

__all__ = [
    "CONFIG_FILE",
    "FORM_ROOM",
    "MAX_RESULTS",
    "OPTIONS",
    "ROOT",
    "Settings",
    "as_environment",
    "load",
    "parse",
    "seconds",
]

# The folder of this installation.
ROOT = Path(__file__).resolve().parent.parent.parent
