#!/usr/bin/env bash
# Copies the .proto files of others that ours import into .cache/proto, out of the Go modules that
# tools/protos/go.mod pins by content.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

out=$CACHE/proto
pin=$(cat tools/protos/go.sum scripts/protos.sh | git hash-object --stdin)
if [ "$(cat "$out/.pin" 2>/dev/null)" = "$pin" ]; then
	exit 0
fi

# dir prints where a pinned module is unpacked.
dir() {
	go -C tools/protos mod download "$1"
	go -C tools/protos list -m -f '{{.Dir}}' "$1"
}

gnostic=$(dir github.com/google/gnostic)
protovalidate=$(dir github.com/bufbuild/protovalidate)

rm -rf "$out"
mkdir -p "$out/google/api" "$out/google/rpc" "$out/buf/validate"
for f in api/annotations api/field_behavior api/http rpc/status; do
	install -m 0644 "$gnostic/cmd/protoc-gen-openapi/examples/google/$f.proto" "$out/google/$f.proto"
done
install -m 0644 "$protovalidate/proto/protovalidate/buf/validate/validate.proto" "$out/buf/validate/"

# The generated code imports what go_package names; an old copy names a package that does not exist.
check() {
	grep -q "^option go_package = \"$2[;\"]" "$out/$1" || die "$1 names another Go package than $2"
}
for f in annotations field_behavior http; do
	check "google/api/$f.proto" google.golang.org/genproto/googleapis/api/annotations
done
check google/rpc/status.proto google.golang.org/genproto/googleapis/rpc/status
check buf/validate/validate.proto buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate
printf '%s\n' "$pin" >"$out/.pin"
