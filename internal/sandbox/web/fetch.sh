#!/bin/sh
# Fetches the player library of the page into vendor/, which git ignores and the next go build embeds.
# package-lock.json pins version and hash. Needs npm. Runs in a directory of its own, so that no
# node_modules stays behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$work/"
(cd "$work" && npm ci --silent)
mkdir -p "$here/vendor"
cp "$work/node_modules/hls.js/dist/hls.light.min.mjs" "$here/vendor/hls.light.min.mjs"
cp "$work/node_modules/hls.js/LICENSE" "$here/vendor/hls.LICENSE"
echo "hls.js is in $here/vendor; build tokensvc again to embed it"
