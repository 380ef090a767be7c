#!/bin/sh
# Makes the environment $VENV with the project in it. Reads: VENV (a folder), PYTHON (a command; empty: look for one).
set -eu

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || { echo "PYTHON=$PYTHON is not a command on this machine." >&2; exit 1; }
    new_enough "$PYTHON" || { echo "Python 3.11 or newer is needed, but $PYTHON is $("$PYTHON" -V 2>&1)." >&2; exit 1; }
else
    for candidate in python3 python3.13 python3.12 python3.11 python; do
        if new_enough "$candidate"; then PYTHON=$candidate; break; fi
    done
    [ -n "${PYTHON:-}" ] || {
        echo "Python 3.11 or newer is needed, and none was found; install it, or give it: make PYTHON=/path/to/python3.11 ..." >&2
        exit 1
    }
fi

if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "Making $VENV with $("$PYTHON" -V). The first time this downloads PyTorch, which is several gigabytes."
    "$PYTHON" -m venv "$VENV" || {
        echo "Python's venv module failed; on Debian and Ubuntu it comes with: apt-get install python3-venv" >&2
        exit 1
    }
fi
"$VENV/bin/python" -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
touch "$VENV/.ready"
