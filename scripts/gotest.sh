#!/usr/bin/env bash
# Runs go test with a summary, and keeps it in .cache/NAME.log. A skipped test is a failure: it would be
# one that nobody notices is missing.
#
# usage: scripts/gotest.sh NAME GO-TEST-ARGUMENT...
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

name=$1
shift
scripts/tools.sh gotestsum
have "$(go env CC)" || die "the race detector needs a C compiler, $(go env CC); without one: go test ./..."

events=$CACHE/$name.json
CGO_ENABLED=1 "$BIN/gotestsum" --format pkgname --format-hide-empty-pkg --jsonfile "$events" -- -race -timeout 15m "$@" |
	tee "$CACHE/$name.log"

skipped=$(sed -n 's/.*"Action":"skip","Package":"\([^"]*\)","Test":"\([^"]*\)".*/\1 \2/p' "$events")
if [ -n "$skipped" ]; then
	printf '%s\n' "$skipped" >&2
	die "tests were skipped; make what they need available, or take them out"
fi
