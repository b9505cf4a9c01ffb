"""The script modules that a page needs, read from the modules' own import statements."""

from __future__ import annotations

import posixpath
import re
from functools import cache
from pathlib import Path

# The path in `import ... from "./x.js"`, `import "./x.js"` or `export ... from "./x.js"` at the
# start of a line. A module in `import("./x.js")` is loaded on demand, so it does not count.
_STATIC_IMPORT = re.compile(
    r'^(?:import\s+(?:[\w$*{},\s]+\sfrom\s+)?|export\s*[*{][^";]*?\sfrom\s+)"(\.[^"]+)"', re.M
)


@cache
def modules_of(folder: Path, entry: str) -> tuple[str, ...]:
    """List `entry` and every module that it imports statically, directly or through others.

    `entry` and the names in the answer are paths below `folder` with forward slashes; the modules
    nearest to the entry come first. The answer is kept for as long as the process lives.
    """
    names = [entry]
    for name in names:  # grows while it is read
        names += [other for other in imports_of(folder, name) if other not in names]
    return tuple(names)


def imports_of(folder: Path, name: str) -> list[str]:
    """List the modules that the module `name` below `folder` imports statically, each once."""
    text = (folder / name).read_text(encoding="utf-8")
    paths = [posixpath.join(posixpath.dirname(name), path) for path in _STATIC_IMPORT.findall(text)]
    return list(dict.fromkeys(map(posixpath.normpath, paths)))
