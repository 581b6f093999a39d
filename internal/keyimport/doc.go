// Package keyimport turns the key files, environment variables and pasted text that people really
// have into tokens.Material.
//
// It owns the reading of key material and nothing else: it knows encodings, not stores. It never
// guesses. Material that could be two different keys, or a key only after an encoding is peeled off
// that nobody named, is refused with the list of possible readings and the way to pick each
// (AmbiguousError). Wrappings that cannot change the key are peeled off in silence: byte order
// marks, UTF-16, line ends, blanks around the value, quotes that the format does not allow inside a
// key, and for RSA keys, which identify themselves, base64, hex and escaped line ends.
//
// No error text holds anything of the material: at most lengths, kinds and public fingerprints.
//
// The package is pure and imports only tokens and the formats below it.
package keyimport
