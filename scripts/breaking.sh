#!/usr/bin/env bash
# Compares proto/ with what it was where this work left main, and with the last release, and refuses
# changes that break clients on the wire or in JSON.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/protos.sh
scripts/tools.sh buf

old=$CACHE/against
trap 'rm -rf "$old"' EXIT

# against compares with one commit. The fetched .proto files are in no commit, so the old tree gets
# today's beside it.
against() {
	local name=$1 commit=$2
	if ! git cat-file -e "$commit:proto" 2>/dev/null || ! git cat-file -e "$commit:buf.yaml" 2>/dev/null; then
		say "buf breaking: $name (${commit:0:12}) has no proto/ yet, so there is nothing to break"
		return
	fi
	rm -rf "$old"
	mkdir -p "$old/.cache"
	git archive "$commit" proto buf.yaml | tar -x -C "$old"
	cp -R "$CACHE/proto" "$old/.cache/proto"
	say "buf breaking: proto/ against $name (${commit:0:12})"
	"$BIN/buf" breaking proto --against "$old/proto"
}

base=
for ref in origin/main main; do
	if base=$(git merge-base HEAD "$ref" 2>/dev/null); then
		against "$ref" "$base"
		break
	fi
done
[ -n "$base" ] || say "buf breaking: no branch main and none at origin here, so nothing to compare with"

if tag=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null); then
	against "$tag" "$(git rev-list -n 1 "$tag")"
else
	say "buf breaking: nothing is released yet, so no release to compare with"
fi
