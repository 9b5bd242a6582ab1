#!/bin/sh
# Installs PostgreSQL's clients for the tests outside the checkout: node-postgres (npm), pgJDBC and psql (Debian). Prints the
# folder of node-postgres and the path of pgJDBC, a line each.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
from="$root/tests/clients/postgres"
folder=${ALMANAC_POSTGRES_CLIENT:-${XDG_CACHE_HOME:-$HOME/.cache}/almanac/postgres-client}
jdbc=/usr/share/java/postgresql.jar
missing=
[ -e $jdbc ] || missing="$missing libpostgresql-jdbc-java"
command -v psql >/dev/null || missing="$missing postgresql-client"
command -v npm >/dev/null || missing="$missing nodejs npm"
# A program in one source file is compiled when it is started.
java --list-modules 2>/dev/null | grep -q '^jdk.compiler' || missing="$missing default-jdk-headless"
if [ -n "$missing" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "postgres-clients: install$missing" >&2
        exit 1
    fi
    echo "postgres-clients: installing$missing" >&2
    # shellcheck disable=SC2086
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >&2
fi
mkdir -p "$folder"
if ! cmp -s "$from/package-lock.json" "$folder/installed-lock.json"; then
    cp "$from/package.json" "$from/package-lock.json" "$folder"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
    cp "$from/package-lock.json" "$folder/installed-lock.json"
fi
cp "$from/client.mjs" "$folder"
echo "$folder"
echo $jdbc
