// Package expression compiles and runs the conditions of access policies, which are written in CEL.
//
// An expression is typed and bounded when it is compiled: it must be a condition, and its size, its nesting,
// its regular expressions (RE2) and its estimated cost have limits. Its cost is limited again when it runs.
//
// The variables are viewer.id, playback.id, playback.target_id, request.client_ip (empty when unknown),
// request.device, request.country, request.attributes (map of texts), grants (those that count now, each with id,
// order_id, product_id, start_time and, unless it never ends, end_time) and now.
package expression
