#!/usr/bin/env bash
# Installs packages of the distribution (Debian, Ubuntu): scripts/apt.sh NAME PACKAGE…; NAME opens each line that it prints.
# Safe to run again; does nothing when all are installed. No service is started: tests and benches start their own processes.
set -euo pipefail

name=$1
shift
say() { printf '%s: %s\n' "$name" "$*" >&2; }

missing=()
for package in "$@"; do
  if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
    missing+=("$package")
  fi
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  say "no apt-get here: install these by hand: ${missing[*]}"
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { say "run as root, or install sudo, to get: ${missing[*]}"; exit 1; }
  as_root=(sudo)
fi

# Debian starts a service when it is installed, unless this file exists and exits with 101.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi

say "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
