#!/bin/sh
# Make .cache/js hold what requirements/js/package-lock.json pins, by the npm in .venv.
# Does nothing when it does. Usage: sh requirements/js/install.sh
set -eu
target=.cache/js
want=$(cat requirements/js/package.json requirements/js/package-lock.json | cksum)
stamp=$target/.installed

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
    exit 0
fi
echo "Installing the packages of requirements/js/package-lock.json into $target"
mkdir -p $target
rm -f "$stamp"
cp requirements/js/.npmrc requirements/js/package.json requirements/js/package-lock.json $target
sh requirements/js/npm.sh --silent --prefix $target ci
echo "$want" >"$stamp"
