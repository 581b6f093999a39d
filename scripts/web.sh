#!/usr/bin/env bash
# Fetches hls.js for the page of `tokensvc dev` into an ignored folder; the build embeds what is there.
#
# usage: scripts/web.sh [--optional]    with --optional a missing npm is said, and no failure
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ! have npm; then
	[ "${1:-}" = --optional ] || die "npm is missing, which fetches hls.js"
	say "npm is missing: the page will have no hls.js, and play only where the browser can by itself"
	exit 0
fi
internal/sandbox/web/fetch.sh
