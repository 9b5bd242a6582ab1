#!/usr/bin/env bash
# Prepares a build: downloads the prebuilt DuckDB library and the chart library of the web page by package name and
# version, verifies them, and writes .cargo/config.toml so that plain `cargo` uses the same library and target directory as
# `make`. Safe to run again; does nothing when all is prepared.
set -euo pipefail
cd "$(dirname "$0")/.."

duckdb_version=1.5.6
package=@duckdb/node-bindings-linux-x64
package_version=1.5.6-r.1
package_sha512=21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e16cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5
uplot_version=1.6.32
uplot_sha512=2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023

cache=${ALMANAC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/almanac}
target=${CARGO_TARGET_DIR:-$cache/target}
library_dir=$cache/duckdb/$package_version
uplot_dir=$cache/uplot/$uplot_version
say() { printf 'setup: %s\n' "$*" >&2; }

# Downloads the npm package $1 of version $2 with the checksum $3 and unpacks it into the folder $4.
fetch_package() {
  local archive
  (cd "$4" && npm pack --silent "$1@$2" >/dev/null) || return 1
  archive=$(find "$4" -maxdepth 1 -name '*.tgz' | head -n 1)
  if ! echo "$3  $archive" | sha512sum --check --status; then
    say "the checksum of $1 is not the pinned one; not using it"
    return 1
  fi
  tar -xzf "$archive" -C "$4"
}

fetch_library() {
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  say "downloading DuckDB $duckdb_version (npm package $package $package_version, 24 MB)"
  fetch_package "$package" "$package_version" "$package_sha512" "$work" || return 1
  mkdir -p "$library_dir"
  cp "$work/package/LICENSE" "$library_dir/LICENSE"
  # Renamed last, so that an interrupted copy is never used as the library.
  cp "$work/package/libduckdb.so" "$library_dir/libduckdb.so.part"
  mv "$library_dir/libduckdb.so.part" "$library_dir/libduckdb.so"
}

fetch_uplot() {
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  say "downloading the chart library of the web page (npm package uplot $uplot_version)"
  fetch_package uplot "$uplot_version" "$uplot_sha512" "$work" || return 1
  rm -rf "$uplot_dir"
  mkdir -p "$uplot_dir.part"
  cp "$work/package/LICENSE" "$work/package/dist/uPlot.iife.min.js" "$work/package/dist/uPlot.min.css" "$uplot_dir.part"
  mv "$uplot_dir.part" "$uplot_dir"
}

mode=prebuilt
if [ -n "${ALMANAC_BUNDLED:-}" ]; then
  mode=bundled
elif [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  say "no prebuilt DuckDB $duckdb_version for $(uname -s) $(uname -m): compiling it from source, 30 to 50 minutes the first time"
  mode=bundled
elif [ ! -f "$library_dir/libduckdb.so" ]; then
  if ! command -v npm >/dev/null; then
    say "npm is not installed: compiling DuckDB from source instead, 30 to 50 minutes the first time"
    mode=bundled
  elif ! fetch_library; then
    say "the prebuilt DuckDB is not available: compiling it from source instead, 30 to 50 minutes the first time"
    mode=bundled
  fi
fi

uplot_env=""
if [ -f "$uplot_dir/uPlot.iife.min.js" ] || { command -v npm >/dev/null && fetch_uplot; }; then
  uplot_env="ALMANAC_UPLOT_DIR = \"$uplot_dir\""
else
  say "the chart library is not available (npm installs it): the web page will have tables in place of charts"
fi

if [ "$mode" = bundled ]; then
  config="# Written by scripts/setup.sh; not committed.
[env]
$uplot_env
[build]
target-dir = \"$target\""
  features="--features bundled"
else
  config="# Written by scripts/setup.sh; not committed.
[env]
DUCKDB_LIB_DIR = \"$library_dir\"
$uplot_env
[build]
target-dir = \"$target\"
rustflags = [\"-C\", \"link-arg=-Wl,-rpath,$library_dir\"]
rustdocflags = [\"-C\", \"link-arg=-Wl,-rpath,$library_dir\"]"
  features=""
fi

# Rewritten only when the content changes, so that cargo does not rebuild.
write_if_changed() {
  if [ ! -f "$1" ] || [ "$(cat "$1")" != "$2" ]; then
    printf '%s\n' "$2" >"$1"
  fi
}
mkdir -p .cargo
write_if_changed .cargo/config.toml "$config"
write_if_changed .cargo/features "$features"
