#!/bin/sh
# Makes .venv from uv.lock. Needs a Python of 3.11 or newer; gets uv by itself, of the version and hashes in tools/uv.txt.
set -eu
PYTHON=${PYTHON:-python3}
cd "$(dirname "$0")/.."

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "backstay needs Python 3.11 or newer as $PYTHON (set PYTHON=...)" >&2
    exit 1
fi
UV=$(command -v uv || true)
if [ -z "$UV" ]; then
    if ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
            apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
        else
            echo "missing: the Python module ensurepip (Debian: apt-get install python3-venv)" >&2
            exit 1
        fi
    fi
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    "$PYTHON" -m venv "$scratch"
    "$scratch/bin/pip" install -q --require-hashes --only-binary :all: -r tools/uv.txt
    UV="$scratch/bin/uv"
fi
"$UV" sync --locked --quiet --python "$(command -v "$PYTHON")"
touch .venv/.ready
