#!/usr/bin/env bash
# go test -race over everything, with a summary. A skipped test is a failure: it would be one that
# nobody notices is missing.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/tools.sh gotestsum
have gcc || have clang || have cc || die "the race detector needs a C compiler; without one: go test ./..."

events=$CACHE/test.json
CGO_ENABLED=1 "$BIN/gotestsum" --format pkgname --format-hide-empty-pkg --jsonfile "$events" -- -race -timeout 15m ./... |
	tee "$CACHE/test.log"

skipped=$(sed -n 's/.*"Action":"skip","Package":"\([^"]*\)","Test":"\([^"]*\)".*/\1 \2/p' "$events")
if [ -n "$skipped" ]; then
	printf '%s\n' "$skipped" >&2
	die "tests were skipped; make what they need available, or take them out"
fi
