#!/usr/bin/env bash
# Sees to it that what the tests need is there: on Debian as root or with sudo it installs what is
# missing, and only that; elsewhere it names it, says how to run the rest, and fails.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

have go || die "go is missing; install Go $(go_version_wanted) or later"

missing=()
# need COMMAND PACKAGE...: the Debian packages that bring a command.
need() {
	have "$1" || missing+=("${@:2}")
}
need gcc gcc libc6-dev # the race detector links with C
need node nodejs       # the browser test, and the prebuilt buf
need npm npm
chromium_path >/dev/null || missing+=(chromium)
have nginx || [ -x /usr/sbin/nginx ] || missing+=(nginx-light) # an edge that asks

[ ${#missing[@]} -gt 0 ] || exit 0

if have apt-get && [ -e /etc/debian_version ]; then
	if [ "$(id -u)" = 0 ]; then
		as_root=()
	elif have sudo && sudo -n true 2>/dev/null; then
		as_root=(sudo)
	fi
	if [ -n "${as_root+set}" ]; then
		say "installing ${missing[*]}" # at run level 1, so that no package starts a service
		"${as_root[@]}" apt-get update -qq
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qq -y --no-install-recommends "${missing[@]}"
		exit 0
	fi
	say "this needs root: apt-get install ${missing[*]}"
else
	say "install what your system calls: ${missing[*]}"
fi
say "without them: make test-go needs gcc alone; go test ./... needs Go alone, and leaves out the race detector"
die "missing: ${missing[*]}"
