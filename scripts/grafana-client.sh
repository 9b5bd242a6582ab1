#!/bin/sh
# Installs Grafana's packages from npm, as locked in tests/clients/grafana, outside the checkout, and prints the folder.
# It has the programs of tests/clients/grafana too. Does nothing when the folder has the same lock file.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
from="$root/tests/clients/grafana"
folder=${ALMANAC_GRAFANA_CLIENT:-${XDG_CACHE_HOME:-$HOME/.cache}/almanac/grafana-client}
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "grafana-client: node and npm are missing; install nodejs and npm" >&2
        exit 1
    fi
    echo "grafana-client: installing nodejs and npm" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm; } >&2
fi
mkdir -p "$folder"
if ! cmp -s "$from/package-lock.json" "$folder/installed-lock.json"; then
    echo "grafana-client: installing Grafana's packages in $folder (515 MB)" >&2
    cp "$from/package.json" "$from/package-lock.json" "$folder"
    # The data source names other versions of its peers than those that it is published with.
    (cd "$folder" && npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error) >&2
    cp "$from/package-lock.json" "$folder/installed-lock.json"
    rm -f "$folder/bundle.js"
fi
for program in bundle backend client schema; do
    cmp -s "$from/$program.mjs" "$folder/$program.mjs" && continue
    cp "$from/$program.mjs" "$folder"
    [ $program != bundle ] || rm -f "$folder/bundle.js"
done
[ -e "$folder/bundle.js" ] || (cd "$folder" && node bundle.mjs bundle.js) >&2
echo "$folder"
