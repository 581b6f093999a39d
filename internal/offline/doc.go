// Package offline signs and verifies single tokens without a server, a store or the network, as the
// vendors' sample scripts do: one JSON object in, one answer out, alone or as a stream of lines. It
// stands behind `tokensvc token` and `tokensvc verify`; docs/token-jsonl.md is its contract with
// callers in other languages.
//
// It reads and checks the form of its input and leaves every rule of a token format to the packages
// below tokens.
package offline
