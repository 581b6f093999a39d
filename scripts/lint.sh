#!/usr/bin/env bash
# Everything that reads the code without running it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/protos.sh
scripts/tools.sh buf golangci-lint

say "buf format"
"$BIN/buf" format proto --diff --exit-code
say "buf lint"
"$BIN/buf" lint proto
scripts/breaking.sh
say "golangci-lint"
"$BIN/golangci-lint" run --allow-parallel-runners ./...
