"""The kinds of recognition; each file is a program: `python -m workers.<kind>`."""

import gc
import os
import sys

# While Python looks for the program, "-m" stands in place of its name: this is a worker's start,
# and not an import by somebody else. What is said here is in time for NumPy.
if sys.argv[:1] == ["-m"]:
    # The threads of NumPy's algebra, which no worker needs, cost a start time and memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Nothing that modules make while they load is garbage; `_main.run` turns it on again.
    gc.disable()
