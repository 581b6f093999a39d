// Package signer is the hot path: it turns a playback and a viewer into a credential.
//
// A Keyring follows the store and holds every target's keys, opened and prepared, in a snapshot behind
// one atomic pointer. A Signer picks the active key, computes the expiry, clamps it to the key's
// horizon and signs. HMAC tokens are signed in the caller's goroutine. RSA runs in a Pool of as many
// workers as there are CPUs, behind a bounded queue that refuses what it cannot serve in time. Tokens
// that do not depend on the viewer are shared: one signature serves all equal requests of an expiry
// bucket.
//
// Between the choice of the snapshot and the answer there is no store read and no provider call; an
// HMAC token takes no lock either.
package signer
