// Package rotate replaces the keys of targets at their providers without breaking a viewer.
//
// Plan says what is next for a target and why; it is pure. Executor carries it out, one step at a time,
// under a fenced lease and with a journal in the target's record: intent before effect, result before
// use, use before retire, delete before forget. A process may die, and a provider's answer may be lost,
// at any point; whoever goes on reads the journal and knows what may have happened.
//
// The package reaches providers through the ports of internal/provider, and records through keystore.
package rotate
