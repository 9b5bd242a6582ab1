#!/bin/sh
# Creates the Python environment that executes the notebooks and prints the path of its Python. With the argument `peers` that
# is another one, with statsforecast too.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ "${1:-}" = peers ]; then
    exec "$root/scripts/python-venv.sh" notebooks-peers "$root/notebooks/requirements-peers.txt"
fi
exec "$root/scripts/python-venv.sh" notebooks "$root/notebooks/requirements.txt"
