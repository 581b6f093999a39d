//go:build !linux

package signer

// deprioritise does nothing where threads have no priority of their own.
func deprioritise() {}
