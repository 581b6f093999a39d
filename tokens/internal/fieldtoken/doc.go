// Package fieldtoken holds what the token formats of the shape `name=value~name=value~hmac=hex`
// share: the parser, the pooled MAC, the checks of times and addresses, and the hints for people who
// look at a token that fails. What the formats do not share (which fields there are, in which order,
// what is hashed but not sent, how the secret becomes a key) stays in their own packages.
package fieldtoken
