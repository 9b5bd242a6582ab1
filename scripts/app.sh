#!/usr/bin/env bash
# Runs the example application: app.sh [OPTIONS]; app.sh measure [OPTIONS] measures its faults; app.sh test-servers tests it.
# Creates its Python environment outside the checkout when it is absent. See docs/example-application.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$("$root/scripts/python-venv.sh" app "$root/datasets/app/requirements.txt")
export PYTHONPATH=$root
# -P: modules come from the checkout, not from the folder of the caller.
case "${1:-}" in
  measure) shift; exec "$python" -P -m datasets.app.measure "$@" ;;
  test-servers) shift; exec "$python" -P -m unittest datasets.app.tests.with_servers "$@" ;;
  *) exec "$python" -P -m datasets.app "$@" ;;
esac
