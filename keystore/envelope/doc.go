// Package envelope seals secrets for a keystore. Every secret is encrypted under a data key of its
// own, and the data key under a named master key, both with AES-256-GCM and bound to their place, so
// that sealed bytes can neither be changed nor moved to another key.
//
// It owns the sealed format, the master keys and the file they live in. It imports keystore, tokens
// and the standard library, nothing else.
package envelope
