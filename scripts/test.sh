#!/usr/bin/env bash
# The whole test: what it needs, go test -race, the browser. The last line is the count of Go tests.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/deps.sh
scripts/web.sh # the binary under test embeds the player
scripts/test-go.sh
scripts/e2e.sh
grep '^DONE' "$CACHE/test.log"
