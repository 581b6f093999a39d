# What the targets do is in scripts/: plain bash, so that they can be read, run alone and linted. Nothing is
# cached outside the repository but by Go itself; .cache/ and bin/ are ignored, and `make clean`
# removes them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
RUNS ?= 200
.PHONY: crash kill mutations help dev build web gen lint test test-go e2e recipes fuzz bench deps clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## serve, a verifying edge and a small stream, all on loopback (ARGS="--data DIR" keeps the keys)
	@scripts/web.sh --optional
	@[ -x bin/tokensvc ] || echo "building bin/tokensvc; the first time this takes a minute or two"
	@$(MAKE) --no-print-directory build
	@bin/tokensvc dev $(ARGS)

build: ## build bin/tokensvc
	@CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/tokensvc

web: ## fetch the player that the dev page can use into an ignored folder (npm)
	@scripts/web.sh

gen: ## generate gen/ from proto/
	@scripts/gen.sh

lint: ## buf lint, buf breaking, golangci-lint
	@scripts/lint.sh

test: ## everything: install what is missing (Debian), go test -race, then the browser
	@scripts/test.sh

test-go: ## go test -race alone; needs Go and a C compiler
	@scripts/gotest.sh go ./...

e2e: ## the built binary and its page, in headless Chromium; needs node, npm and chromium
	@scripts/e2e.sh

recipes: ## the commands of docs/recipes, against stand-ins of the vendors (UPDATE=1 rewrites what they print)
	@scripts/recipes.sh

fuzz: ## every fuzz target, each for FUZZTIME (10s)
	@scripts/fuzz.sh

bench: build ## the speed goals: name, measured ratio, goal, ok or FAIL
	@go run ./internal/bench -binary bin/tokensvc

crash: ## rotation through crashes and bad answers: 10,000 runs over HTTP and SQLite, some minutes
	@go run ./internal/rotate/crash $(ARGS)

kill: build ## rotation with the real binary, killed at random moments, RUNS times (200)
	@go run ./test/kill -binary bin/tokensvc -runs $(RUNS)

mutations: ## drop each rule of rotation in turn and see the crash runs catch it
	@go run ./internal/rotate/crash -mutations

deps: ## name what the tests need and is missing; on Debian, install it
	@scripts/deps.sh

clean: ## remove what was built and fetched into the repository
	@rm -rf bin .cache internal/sandbox/web/vendor internal/sandbox/web/node_modules test/e2e/node_modules
