"""The kinds of recognition of the project."""

from scai import kinds

KINDS = tuple(kinds.load().values())
IC, OD = KINDS
