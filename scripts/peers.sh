#!/usr/bin/env bash
# Installs the peers of `make test-peers`: Prometheus, promtool and Alertmanager, exporters, Redis and PostgreSQL, Chromium, and what
# checks the files of docs/deploy, from the distribution. The tests start their own processes on free ports and stop them.
set -euo pipefail

packages=(prometheus prometheus-alertmanager prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter
  redis-server postgresql systemd bubblewrap python3-seccomp chromium fonts-dejavu-core)
exec "$(dirname "$0")/apt.sh" peers "${packages[@]}"
