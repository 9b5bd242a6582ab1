#!/usr/bin/env bash
# Runs the example application: app.sh [OPTIONS]; app.sh measure [OPTIONS] measures its faults;
# app.sh show --almanac PATH [OPTIONS] shows what Almanac's advice on its database is worth; app.sh recording --almanac PATH --out DIR
# records what a service stores of it; app.sh test-servers tests it.
# Creates its Python environment outside the checkout when it is absent. See docs/example-application.md.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$("$root/scripts/python-venv.sh" app "$root/datasets/app/requirements.txt")
export PYTHONPATH=$root
# Everything is on loopback: a proxy of the caller's environment must not get its requests.
export no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}" NO_PROXY="127.0.0.1,localhost${NO_PROXY:+,$NO_PROXY}"
# -P: modules come from the checkout, not from the folder of the caller.
case "${1:-}" in
  measure) shift; exec "$python" -P -m datasets.app.measure "$@" ;;
  show) shift; exec "$python" -P -m datasets.app.show "$@" ;;
  recording) shift; exec "$python" -P -m datasets.app.recording "$@" ;;
  test-servers) shift; exec "$python" -P -m unittest datasets.app.tests.with_servers "$@" ;;
  *) exec "$python" -P -m datasets.app "$@" ;;
esac
