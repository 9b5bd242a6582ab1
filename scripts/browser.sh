#!/bin/sh
# Installs what the tests of the web page need: Chromium from the distribution, and the packages of tests/browser outside
# the checkout. Prints the folder of the packages. Does nothing when all is there.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${ALMANAC_BROWSER:-${XDG_CACHE_HOME:-$HOME/.cache}/almanac/browser}
# Tests call this side by side.
mkdir -p "$folder"
exec 9> "$folder.lock"
flock 9
if ! command -v chromium >/dev/null; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "browser: chromium is missing; install it" >&2
        exit 1
    fi
    echo "browser: installing chromium" >&2
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core; } >&2
fi
command -v npm >/dev/null || { echo "browser: npm is missing; install Node.js" >&2; exit 1; }
if ! cmp -s "$root/tests/browser/package-lock.json" "$folder/installed.json"; then
    echo "browser: installing the packages of tests/browser" >&2
    cp "$root/tests/browser/package.json" "$root/tests/browser/package-lock.json" "$folder"
    (cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund) >&2
    cp "$root/tests/browser/package-lock.json" "$folder/installed.json"
fi
cp "$root/tests/browser/playwright.config.mjs" "$root/tests/browser/page.spec.mjs" "$root/tests/browser/visit.mjs" "$folder"
echo "$folder"
