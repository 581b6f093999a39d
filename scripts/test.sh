#!/usr/bin/env bash
# The whole test: what it needs, go test -race, then the browser with the machine to itself. The last
# lines are the counts.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/deps.sh
scripts/web.sh # what the build embeds is there before anything is built
scripts/gotest.sh go ./...
scripts/e2e.sh

say "browser: $(grep '^DONE' "$CACHE/e2e.log")"
grep '^DONE' "$CACHE/go.log"
