# Sourced by the other scripts: where things are, and how they speak.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=$ROOT/.cache
# shellcheck disable=SC2034 # for the scripts that source this
BIN=$CACHE/bin
cd "$ROOT"

# What the tools would otherwise keep in the home directory.
export BUF_CACHE_DIR=$CACHE/buf GOLANGCI_LINT_CACHE=$CACHE/golangci-lint NPM_CONFIG_UPDATE_NOTIFIER=false

say() { printf '== %s\n' "$*" >&2; }

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

go_version_wanted() { sed -n 's/^go //p' "$ROOT/go.mod"; }

# chromium_path prints where a Chromium is; CHROMIUM names another one.
chromium_path() {
	local name
	for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
		if [ -n "$name" ] && have "$name"; then
			command -v "$name"
			return
		fi
	done
	return 1
}
