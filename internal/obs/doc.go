// Package obs is how the service is seen from outside: logs, traces, request ids and its version.
//
// Secrets never reach it on purpose: tokens.Secret prints nothing, and handlers log no bodies. What
// gets in by accident, in an error text or a URL, is taken out by Scrub before a line or a span leaves
// the process. The package imports nothing of this module and sets nothing process-wide.
package obs
