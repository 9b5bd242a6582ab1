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

# The built program looks for the library in the cache of the user who built it, and then beside itself. The installed one
# must not trust that folder, so that the list of folders is replaced by the second one, padded with slashes to its length.
own='$ORIGIN/../lib/almanac'
folders=$(readelf -d "$program" | sed -n 's/.*(RUNPATH).*\[\(.*\)\]$/\1/p')
if [ -n "$library" ] && [ "$folders" != "$own" ]; then
  padded=$own
  while [ ${#padded} -lt ${#folders} ]; do padded=$padded/; done
  pattern=$(printf '%s' "$folders" | sed 's/[].[*^$\|]/\\&/g')
  LC_ALL=C sed -b -i "s|$pattern|$padded|" "$to/bin/almanac"
  case $(ldd "$to/bin/almanac") in
    *"$to/bin/../lib/almanac"*) ;;
    *) say "the installed program does not find its library in $to/lib/almanac"; exit 1 ;;
  esac
fi

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
