// Package wowza is a stand-in for the Wowza Video API as far as stream targets on Wowza's CDN go, with the edges
// behind them. It answers as Wowza's reference shows:
//
//   - v1.4 to v1.8 take an API key or an HMAC signature no more than 15 seconds old or new, v1.8 to v2.0 a JWT;
//   - up to v1.11 the targets are called fastly, in v2.0 wowza_cdn; up to v1.6 a target has one playback URL, from
//     v1.7 on lists of them;
//   - a secret is hex, of an even number of digits up to 32. It is shown by everything but lists, while token
//     checking is on. Switching that on without a secret makes one;
//   - the security settings of a target share a limited space;
//   - deleted targets answer 410, archived ones cannot be changed.
//
// Where the reference is silent, Quirks switch between what may be. What breaks on the way is a fault.Plan's.
//
// Edges learn a secret only after a propagation time: Effective says which secrets they know.
package wowza
