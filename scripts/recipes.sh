#!/usr/bin/env bash
# Runs the console blocks of docs/recipes/*.md against stand-ins of the vendors and compares what they print with
# what the pages show; with UPDATE=1 writes what they print into the pages. It is a part of scripts/e2e.sh, and
# needs no browser.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TOKENSVC=$ROOT/bin/tokensvc
export TOKENSVC RECIPES_UPDATE=${UPDATE:-}

make --no-print-directory build
go test -tags e2e -count 1 -run '^TestRecipes$' ./test/e2e
say "recipes: $(find docs/recipes -name '*.md' ! -name README.md | wc -l) pages hold"
