// Package qencode is the client of Qencode's content delivery API: signing keys, domains, TLS
// subscriptions, buckets and their caches, and the playback ids of live streams. It knows the vendor's
// reference (docs.qencode.com/api-reference/cdn) and, for playback ids, its tutorial on multiple playback
// ids.
//
// The API makes the keys, and shows the private half once, in the answer that makes it. It has no key of
// idempotency, so making is never repeated, and a key whose answer was lost stays at the vendor without an
// owner: List shows it.
//
// The vendor publishes no errors for this API. Elsewhere it answers failures with status 200 and an error
// member; this client takes both that and HTTP statuses for what they say, and anything else for
// provider.ErrAmbiguous. Its texts go nowhere.
//
// The access token comes from a call that has the API key in its path. Package rest keeps paths out of
// errors, logs and traces.
package qencode
