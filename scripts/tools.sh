#!/usr/bin/env bash
# Puts the named tools into .cache/bin, in the versions that tools/ pins. What is there and of those
# versions is left alone.
#
# usage: scripts/tools.sh TOOL...
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# pin identifies what a tool is built from, so that it is rebuilt when that changes and only then.
pin() {
	{
		go env GOVERSION GOOS GOARCH
		case $1 in
		protoc-gen-go) cd "$ROOT" && go list -m google.golang.org/protobuf ;;
		buf) cat "$ROOT/tools/go.sum" "$ROOT/tools/package-lock.json" ;;
		*) cat "$ROOT/tools/go.mod" "$ROOT/tools/go.sum" ;;
		esac
	} | git hash-object --stdin
}

# build compiles the one package of the given path, in the module of the given folder.
build() {
	go -C "$1" build -trimpath -ldflags '-s -w' -o "$BIN/" "$2"
}

buf_version() {
	go -C "$ROOT/tools" list -m -f '{{.Version}}' github.com/bufbuild/buf
}

# The prebuilt buf is the same version from npm, locked by content; without npm it is compiled, which
# takes about four minutes on two cores.
buf_from_npm() {
	have npm && have node || return 1
	rm -rf "$CACHE/npm"
	mkdir -p "$CACHE/npm"
	cp "$ROOT/tools/package.json" "$ROOT/tools/package-lock.json" "$ROOT/tools/.npmrc" "$CACHE/npm/"
	# Not `npm ci`: it refuses a lock file in which a platform's optional binary could not be resolved.
	(cd "$CACHE/npm" && npm install --no-save --ignore-scripts --loglevel=error >&2) || return 1
	"$CACHE/npm/node_modules/.bin/buf" --version >/dev/null || return 1
	ln -sf ../npm/node_modules/.bin/buf "$BIN/buf"
}

install_buf() {
	rm -f "$BIN/buf"
	if ! buf_from_npm; then
		say "npm cannot deliver the prebuilt buf; compiling it, which takes minutes"
		build "$ROOT/tools" github.com/bufbuild/buf/cmd/buf
	fi
	local want got
	want=$(buf_version)
	got=v$("$BIN/buf" --version)
	[ "$got" = "$want" ] ||
		die "buf is $got and tools/go.mod pins $want; give tools/package.json and tools/go.mod the same version"
}

install() {
	case $1 in
	buf) install_buf ;;
	# Of the very version that the generated code will be linked with: from the service's own go.mod.
	protoc-gen-go) build "$ROOT" google.golang.org/protobuf/cmd/protoc-gen-go ;;
	protoc-gen-go-grpc) build "$ROOT/tools" google.golang.org/grpc/cmd/protoc-gen-go-grpc ;;
	protoc-gen-grpc-gateway | protoc-gen-openapiv2)
		build "$ROOT/tools" "github.com/grpc-ecosystem/grpc-gateway/v2/$1"
		;;
	golangci-lint)
		say "compiling golangci-lint, once; this takes some minutes"
		build "$ROOT/tools" github.com/golangci/golangci-lint/v2/cmd/golangci-lint
		;;
	gotestsum) build "$ROOT/tools" gotest.tools/gotestsum ;;
	*) die "no tool is called $1" ;;
	esac
}

mkdir -p "$BIN"
for tool; do
	stamp=$BIN/.$tool.pin
	want=$(pin "$tool")
	if [ -x "$BIN/$tool" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
		continue
	fi
	say "installing $tool into .cache/bin"
	rm -f "$stamp"
	install "$tool"
	printf '%s\n' "$want" >"$stamp"
done
