#!/usr/bin/env bash
# Runs every fuzz target there is, one after the other, each for FUZZTIME (10s when unset).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fuzztime=${FUZZTIME:-10s}
count=0
while read -r package target; do
	say "$package $target for $fuzztime"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" || die "$package $target failed; the input that did it is in its testdata/fuzz"
	count=$((count + 1))
done < <(
	# -list names the targets without their package; the JSON form carries both.
	go test -json -list '^Fuzz' ./... |
		sed -n 's/.*"Package":"\([^"]*\)","Output":"\(Fuzz[A-Za-z0-9_]*\)\\n".*/\1 \2/p'
)
[ "$count" -gt 0 ] || die "no fuzz target found"
say "$count fuzz targets, each $fuzztime: nothing found"
