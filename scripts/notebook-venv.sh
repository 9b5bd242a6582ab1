#!/bin/sh
# Creates the Python environment that executes the notebooks, outside the checkout, and prints the path of its Python.
# Does nothing when the environment exists with the requirements of notebooks/requirements.txt.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
wanted="$root/notebooks/requirements.txt"
venv=${ALMANAC_NOTEBOOK_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/almanac/venv}
if ! cmp -s "$wanted" "$venv/requirements.txt"; then
    python=$(command -v python3 || true)
    if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            echo "notebook-venv: python3 with venv is missing; install python3-venv" >&2
            exit 1
        fi
        echo "notebook-venv: installing python3-venv" >&2
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y python3 python3-venv; } >&2
        python=$(command -v python3)
    fi
    echo "notebook-venv: creating $venv" >&2
    mkdir -p "$(dirname "$venv")"
    "$python" -m venv "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted" >&2
    cp "$wanted" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
