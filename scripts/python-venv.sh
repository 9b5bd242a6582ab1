#!/bin/sh
# Creates a Python environment outside the checkout and prints the path of its Python: python-venv.sh NAME REQUIREMENTS.
# Does nothing when the environment exists with the same requirements. ALMANAC_VENVS is the folder of the environments.
set -eu
wanted=$2
venv=${ALMANAC_VENVS:-${XDG_CACHE_HOME:-$HOME/.cache}/almanac}/$1
# One process at a time: tests that start together would make the same environment.
mkdir -p "$(dirname "$venv")"
if command -v flock >/dev/null; then
    exec 9>"$venv.lock"
    flock 9
fi
if ! cmp -s "$wanted" "$venv/requirements.txt" || ! [ -e "$venv/pyvenv.cfg" ]; then
    python=$(command -v python3 || true)
    if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            echo "python-venv: python3 with venv is missing; install python3-venv" >&2
            exit 1
        fi
        echo "python-venv: installing python3-venv" >&2
        { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y python3 python3-venv; } >&2
        python=$(command -v python3)
    fi
    echo "python-venv: creating $venv" >&2
    "$python" -m venv --clear "$venv" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted" >&2
    cp "$wanted" "$venv/requirements.txt"
fi
echo "$venv/bin/python"
