"""What a check found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    code: what it is, for programs
    subject: the session, or the path of a file
    about: what it is, as the end of a sentence that begins with the subject
    repair: does what can be done about it, once more does no harm; None if a person must. Raises
        OSError and ScaiError
    """

    code: str
    subject: str
    about: str
    kind: str = ""
    repair: Callable[[], object] | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, object]:
        """As JSON-ready values."""
        return {
            "code": self.code,
            "subject": self.subject,
            "kind": self.kind,
            "about": self.about,
            "repairable": self.repair is not None,
        }
