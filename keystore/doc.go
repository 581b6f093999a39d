// Package keystore says what a signing key's life looks like: targets, key versions, their states and
// legal moves, and the contracts of the Store that keeps them and the Sealer that encrypts them.
//
// It is pure apart from the contracts: time is a parameter, and nothing here reads or writes. Stores
// only ever see sealed bytes. The package imports tokens and the standard library, nothing else.
package keystore
