#!/usr/bin/env bash
# Runs the browser test of test/e2e: the binary as it is shipped, and its page in headless Chromium.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for tool in node npm; do
	have "$tool" || die "$tool is missing; make deps installs it on Debian"
done
CHROMIUM=$(chromium_path) || die "chromium is missing; make deps installs it on Debian, or set CHROMIUM to its path"
export CHROMIUM

scripts/web.sh
make --no-print-directory build
say "browser test"
cd test/e2e
npm ci --ignore-scripts --loglevel=error
TOKENSVC=$ROOT/bin/tokensvc npm test
