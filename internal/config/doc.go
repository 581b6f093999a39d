// Package config reads the configuration: flags over environment over file over defaults. It is
// strict: an unknown key, a value of the wrong kind or an illegal combination is an error, and all
// faults are listed at once, each with its key, where it was set and what would be right.
//
// The struct Config is the one description of the configuration. Its fields, their tags and their
// comments give the keys of the file, the names of variables and flags, the rules of Validate and the
// JSON schema, so that these cannot drift apart.
//
// Secrets never stand in the file nor in a flag. The package imports keystore, internal/playback
// and internal/schemes to turn targets and playbacks of the file into their types; it opens nothing and checks no provider.
package config
