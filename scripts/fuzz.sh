#!/usr/bin/env bash
# Runs every fuzz target there is, one after the other, each for FUZZTIME (10s when unset).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

fuzztime=${FUZZTIME:-10s}

# -list names the targets without their package; the JSON form carries both.
listing=$(go test -json -list '^Fuzz' ./...) || die "the tests do not build; go vet ./... says why"
targets=$(sed -n 's/.*"Package":"\([^"]*\)","Output":"\(Fuzz[A-Za-z0-9_]*\)\\n".*/\1 \2/p' <<<"$listing")
[ -n "$targets" ] || die "no fuzz target found"

count=0
while read -r package target; do
	say "$package $target for $fuzztime"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$package" </dev/null || die "$package $target failed; the input that did it is in its testdata/fuzz"
	count=$((count + 1))
done <<<"$targets"
say "$count fuzz targets, each $fuzztime: nothing found"
