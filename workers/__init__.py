"""The kinds of recognition; each <kind>.py is a program, `python -m workers.<kind>`.

<kind>.toml beside it describes the kind (scai/kinds.py). With the environment variable
SCAI_WORKERSPATH, the programs in that folder are modules of this package too.
"""

import gc
import os
import sys

if further := os.environ.get("SCAI_WORKERSPATH"):
    __path__.append(os.path.abspath(further))

# While Python looks for the program, "-m" stands in the place of its name. So this is the start of
# a worker, not an import by another program, and NumPy is not loaded yet.
if sys.argv[:1] == ["-m"]:
    # No worker needs the threads of NumPy's algebra, which cost time and memory at the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Loading modules makes no garbage; `_main.run` turns the collector on again.
    gc.disable()
