// Package wowza is the client of the Wowza Video API (Wowza Streaming Cloud before) for stream targets on
// Wowza's CDN: their playback token secrets, their life, and what transcoder outputs they are attached to.
//
// A target has one slot for a secret, so the client is a provider.Setter. Versions v1.4 to v1.11 call the
// targets "fastly", v2.0 calls them "wowza_cdn"; the client writes the name of its version and reads both, as
// a deprecated version may be answered by a later one.
//
// Rules are those of Wowza's REST API reference (www.wowza.com/docs, "About the REST API", "Authentication",
// "Caching", "Limits", and the OpenAPI files). Where it is silent the client takes the safe side: it reads back
// what it wrote, and never creates a target twice.
package wowza
