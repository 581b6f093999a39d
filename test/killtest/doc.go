// Package killtest runs the binary as it is shipped, `tokensvc serve` and `tokensvc sync --watch` as two processes
// on one SQLite file, against stand-ins of the providers whose edges learn late and whose API fails. It rotates
// keys, kills the processes with SIGKILL at random moments and starts them again, while a viewer signs without
// pause and asks the edge about every token until it dies.
//
// In the end it wants what the rotation promises to whoever looks from outside: no token that was refused before
// its time, never two active keys, no operation that is stuck, no key at the provider that nobody knows of, no
// retired key that still opens anything, and a store that is whole.
package killtest
