// Package qencode signs and verifies the tokens of Qencode's Content Delivery service (API reference,
// "Content Delivery", section "Signed tokens").
//
// A token is a JSON Web Token, signed with RS256 and nothing else. Its header names the signing key
// (kid); its payload holds uri, the live stream's playback id or a key or key prefix of a bucket,
// exp and nbf in Unix seconds, and claims of the caller's own. It travels in the query parameter
// auth.
//
// To Qencode a token without exp never expires, an empty uri opens a whole bucket, and a prefix is a
// plain one: path/to also opens path/to-secret.mp4. The strict door asks for an expiry, for
// WholeBucket in words, and for a slash at the end of a prefix.
//
// The RSA operation goes through crypto.Signer, so that another engine can stand in for
// crypto/rsa. RS256 gives the same to users of golang-jwt.
package qencode
