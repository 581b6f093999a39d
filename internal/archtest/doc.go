// Package archtest holds the shape of this module: which package may import which, what packages are
// called, and that none registers itself behind the reader's back. It is a test and has no code; the
// reasons are in docs/adr/0001-layout.md.
package archtest
