#!/usr/bin/env bash
# Fills a virtual environment: torch first, then the lock, then Lyceum itself, editable.  install.sh PYTHON FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
base=$1 folder=$2 python=$2/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_INPUT=1

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
pip() { "$python" -m pip -qq "$@"; }

"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Lyceum needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"
"$base" -c 'import ensurepip, venv' || fail "this Python cannot make virtual environments (on Debian: apt-get install python3-venv)"
[ -x "$python" ] || "$base" -m venv "$folder"

if ! "$python" -c 'import torch' 2>/dev/null; then
    chosen=$(pip install --dry-run --report - -r requirements/torch.txt | "$python" requirements/describe.py)
    say "installing $chosen"
    pip install -r requirements/torch.txt
fi
say "installing what requirements/lock.txt names"
pip install --no-deps --require-hashes -r requirements/lock.txt
pip install --no-deps --no-build-isolation -e .
