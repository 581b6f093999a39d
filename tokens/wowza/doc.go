// Package wowza signs and verifies the hdnts tokens of Wowza CDN on Fastly stream targets:
//
//	hdnts=[ip=…~][st=…~][vod=…~]exp=…~hmac=…
//
// The MAC is HMAC-SHA256 over the text in front of it and over "~stream_id=" with the stream id,
// which is hashed but not sent. The key is the secret's own text, not the bytes that its hex digits
// stand for, so that ABCD and abcd are different secrets. Nothing is escaped.
//
// The rules come from Wowza's examples (WowzaMediaSystems/wsc-fastly-token-auth-examples, in
// JavaScript, PHP, Python and Ruby) and, for secrets, from the token_auth settings of the Fastly
// stream target in the Wowza Video API. What the edge does beyond that (clock skew, whether the
// expiry is inclusive, how it writes addresses) is not published.
//
// The package imports only tokens and what is internal to it.
package wowza
