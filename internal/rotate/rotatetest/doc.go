// Package rotatetest is a world in which the real executor of package rotate rotates keys: a clock that
// moves when told, providers whose edges learn late and whose answers get lost, replicas that sign with
// the real signer from snapshots of every allowed age, and a process that dies wherever it is told to.
// After every tick the world checks what must never happen.
//
// Store and provider are in memory, which makes a run a matter of milliseconds. Package overhttp puts an
// SQLite file, the real adapters and the sandbox's stand-ins in their places.
package rotatetest
