#!/bin/sh
# Fetches the player library of the page into vendor/, which git ignores and the next go build embeds.
# package-lock.json pins version and hash; where vendor/ is of this lock already, nothing is fetched. Needs
# npm. Runs in a directory of its own, so that no node_modules stays behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if cmp -s "$here/package-lock.json" "$here/vendor/package-lock.json"; then
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$work/"
(cd "$work" && npm ci --silent)
mkdir -p "$here/vendor"
cp "$work/node_modules/hls.js/dist/hls.light.min.mjs" "$here/vendor/hls.light.min.mjs"
cp "$work/node_modules/hls.js/LICENSE" "$here/vendor/hls.LICENSE"
cp "$here/package-lock.json" "$here/vendor/package-lock.json" # last: it says that the rest is there
echo "hls.js is in $here/vendor; the next build of tokensvc embeds it"
