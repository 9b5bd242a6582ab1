#!/bin/sh
# Reads a stream of Almanac once, prints the document, and acknowledges it: stream.sh URL NAME, for cron.
# The token, if there is one, is in ALMANAC_TOKEN. Needs curl alone.
set -eu
address="${1%/}/v1/streams/$2"
fetch() {
    if [ -n "${ALMANAC_TOKEN:-}" ]; then
        # The header comes from standard input, so that no list of processes shows the token.
        printf 'header = "Authorization: Bearer %s"\n' "$ALMANAC_TOKEN" | curl --silent --show-error --fail --config - "$@"
    else
        curl --silent --show-error --fail "$@"
    fi
}
document=$(fetch "$address")
printf '%s\n' "$document"
cursor=$(printf '%s' "$document" | sed -n 's/.*"cursor":"\([0-9]*\)".*/\1/p')
fetch --header 'Content-Type: application/json' --data "{\"cursor\": \"$cursor\"}" "$address/ack"
