#!/usr/bin/env bash
# Runs the example application: app.sh [OPTIONS]; app.sh measure [OPTIONS] measures its faults; app.sh test-servers tests it.
# Creates its Python environment outside the checkout when it is absent. See docs/example-application.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$("$root/scripts/python-venv.sh" app "$root/datasets/app/requirements.txt")
cd "$root"
case "${1:-}" in
  measure) shift; exec "$python" -m datasets.app.measure "$@" ;;
  test-servers) shift; exec "$python" -m unittest datasets.app.tests.with_servers "$@" ;;
  *) exec "$python" -m datasets.app "$@" ;;
esac
