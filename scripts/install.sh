#!/usr/bin/env bash
# Installs the program with DuckDB's library, man pages and completions: install.sh PROGRAM PREFIX. Called by `make install`.
# DESTDIR, if it is set, is put before the prefix, as packages and images need it.
set -euo pipefail
program=$1
to=${DESTDIR:-}$2
say() { printf 'install: %s\n' "$*" >&2; }

# A program that was built with the sources of DuckDB needs no library.
library=$(ldd "$program" 2>/dev/null | awk '$1 == "libduckdb.so" { print $3 }')
if [ -n "$library" ]; then
  [ -f "$library" ] || { say "the library of DuckDB that $program needs is missing; run make setup"; exit 1; }
  install -D -m 644 "$library" "$to/lib/almanac/libduckdb.so"
fi
install -D -m 755 "$program" "$to/bin/almanac"

# The pages and scripts are the program's own. Its environment may name options that a page would not have.
run() { env -i PATH="$PATH" HOME="${HOME:-/}" "$to/bin/almanac" "$@"; }
run man "$to/share/man/man1" >/dev/null
completion() {
  install -d "$(dirname "$to/share/$2")"
  run completions "$1" >"$to/share/$2"
}
completion bash bash-completion/completions/almanac
completion zsh zsh/site-functions/_almanac
completion fish fish/vendor_completions.d/almanac.fish
echo "installed: $2/bin/almanac, its man pages (man almanac) and completions for bash, zsh and fish"
