// Package qencode is a stand-in for Qencode's content delivery API (api-cdn) and for the two calls of its
// live streaming API (api-live) that protecting a stream needs, with the edges behind them. It answers as
// the vendor's reference shows:
//
//   - an access token is given for an API key and counts for 24 hours; every other call wants it as a
//     bearer, and nothing else;
//   - a signing key belongs to one live stream, playback domain or bucket. Its private half is in the
//     answer that makes it and never again; its name can be set afterwards only;
//   - dates are UTC and do not say so; an account has at most 20 domains.
//
// The reference publishes no errors, and is silent on much else. Where it is, the stand-in does the plainest
// thing, and Quirks switch to the others. What breaks on the way is a fault.Plan's.
//
// Edges learn what the API did only after a propagation time: Accepted says which keys they know. The keys
// are throw-away keys that everybody has: see throwaway.pem.
package qencode
