"""The kinds of recognition; each <kind>.py is a program, `python -m workers.<kind>`.

<kind>.toml beside it describes the kind (scai/kinds.py). With the environment variable
SCAI_WORKERSPATH, the programs in that folder are modules of this package too.
"""

import gc
import os
import sys

if further := os.environ.get("SCAI_WORKERSPATH"):
    __path__.append(os.path.abspath(further))

# While Python looks for the program, "-m" is in the place of its name: this is the start of a
# worker, and no import by somebody else. NumPy is not loaded yet.
if sys.argv[:1] == ["-m"]:
    # No worker needs the threads of NumPy's algebra, which cost time and memory at the start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Modules make no garbage while they load; `_main.run` turns the collector on again.
    gc.disable()
