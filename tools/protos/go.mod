// The modules that carry other people's .proto files. Nothing imports them as Go: scripts/protos.sh
// copies the files it needs out of the module cache, and go.sum says which bytes those must be.
// Do not tidy: without an import every line would go.
module github.com/tokensvc/tokensvc/tools/protos

go 1.26.0

require (
	github.com/bufbuild/protovalidate v1.2.2 // buf/validate/validate.proto
	github.com/google/gnostic v0.7.1 // google/api/*.proto, with the go_package of today
)
