// Package tokens defines what a playback token format is: the key that signs it, the parameters it
// takes, the credential it makes and the reasons for which a token is refused. Each format is a
// package of its own below this one.
//
// Two doors lead into a format. The strict door (Scheme, Key and the typed functions of each
// package) refuses what could inject a field, widen a scope or outlive its cap; it is the only one
// the service uses. The byte-exact door (the Compat functions of each package) makes what the
// vendor's own scripts make, also where that is unwise, and exists for compatibility alone.
//
// Everything here is pure: no clock, no input or output, no randomness. The package imports nothing
// else of this module and may be imported by anyone.
package tokens
