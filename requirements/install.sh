#!/bin/sh
# Make .venv hold what requirements/$1.txt pins ($1: runtime or dev). Does nothing when it does.
# Usage: sh requirements/install.sh runtime|dev
set -eu
what=$1
venv=.venv
want=$(cat requirements/"$what".txt pyproject.toml | cksum)
stamp=$venv/.installed-$what

# Where services may not write, as under systemd, each process of job mode would compile anew.
compile() {
    $venv/bin/python -m compileall -q index.py run.py clean.py scai workers || true
}

if [ -x $venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] &&
    [ -x $venv/bin/scai ]; then
    compile
    exit 0
fi

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c "$fits" 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "SCAI needs Python 3.11, 3.12 or 3.13; found: $(${PYTHON:-python3} --version 2>&1 || true)." \
        "Install one, or name it: make PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$python has no venv module; on Debian install it with: apt install python3-venv" >&2
    exit 1
fi

if ! $venv/bin/python -c "$fits" 2>/dev/null || ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf $venv
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv $venv
fi
echo "Installing the packages of requirements/$what.txt into $venv (a few minutes the first time)"
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet"
$pip install --require-hashes --no-deps -r requirements/"$what".txt
$pip install --no-deps --no-build-isolation --editable .
compile
[ "$what" = runtime ] || cat requirements/runtime.txt pyproject.toml | cksum >$venv/.installed-runtime
echo "$want" >"$stamp"
