#!/usr/bin/env bash
# Generates gen/ from proto/: Go, gRPC, gateway and the OpenAPI document.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

scripts/protos.sh
scripts/tools.sh buf protoc-gen-go protoc-gen-go-grpc protoc-gen-grpc-gateway protoc-gen-openapiv2
"$BIN/buf" generate
