"""Fuzz one target in this process: `python -m support.fuzzing TARGET SECONDS SEED FOLDER`.

FOLDER gets the input that runs, and for each finding its input and its trace. The exit status is
the number of findings.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import warnings
from pathlib import Path

from support.fuzzing import files, pictures
from support.fuzzing.engine import Fuzzer, LastInput, Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        *(pictures.HEADERS, pictures.PICTURES),
        *(files.ZIPS, files.LABELS, files.SECTIONS, files.RECORDS, files.MESSAGES),
    )
}
LAST = "last-input"


def main(name: str, seconds: str, seed: str, folder: str) -> int:
    """Fuzz, write the findings, and return their number."""
    # Engines and cards warn of odd values; nobody reads that here.
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore", DeprecationWarning)
    fuzzer = Fuzzer(TARGETS[name], int(seed), LastInput(Path(folder) / LAST))
    report = fuzzer.go(float(seconds))
    for data, trace in report.findings:
        stem = f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
        (Path(folder) / stem).write_bytes(data)
        (Path(folder) / f"{stem}.txt").write_text(trace)
    print(f"{name}: {report.runs} inputs, {report.kept} kept, {report.features} features")
    return len(report.findings)


if __name__ == "__main__":
    sys.exit(min(100, main(*sys.argv[1:])))
