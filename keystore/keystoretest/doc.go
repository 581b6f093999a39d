// Package keystoretest holds the suites that every keystore.Store and every keystore.Sealer passes,
// without exception. A fault found in one implementation becomes a case here, for all.
//
// It imports keystore, tokens and testing aids, and may be used by anyone who writes a store.
package keystoretest
