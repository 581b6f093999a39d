// Package e2e tests the binary as it is shipped: against its own sandbox, with real processes, kills and
// a real browser. It runs with the build tag e2e; `make e2e` builds what it needs first.
package e2e
