#!/usr/bin/env bash
# Runs test/e2e, behind the build tag e2e: the binary as it is shipped, and its page in headless Chromium.
# The tests find the binary in TOKENSVC and the browser in CHROMIUM.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for tool in node npm; do
	have "$tool" || die "$tool is missing; make deps installs it on Debian"
done
CHROMIUM=$(chromium_path) || die "chromium is missing; make deps installs it on Debian, or set CHROMIUM to its path"
TOKENSVC=$ROOT/bin/tokensvc
export CHROMIUM TOKENSVC

scripts/web.sh
make --no-print-directory build
(cd test/e2e && npm ci --ignore-scripts --loglevel=error)
scripts/gotest.sh e2e -tags e2e -count 1 ./test/e2e/...
