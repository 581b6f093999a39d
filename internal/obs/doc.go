// Package obs is how the service is seen from outside: logs, traces, request ids and its version. What
// looks like a token or a key is scrubbed from every log line and span, also where it got into an error
// text by accident; secrets that are tokens.Secret print nothing in the first place.
package obs
