// Package akamai signs and verifies Akamai EdgeAuth 2.0 tokens:
//
//	[ip=…~][st=…~]exp=…[~acl=…][~id=…][~data=…]~hmac=…
//
// The MAC is an HMAC over the text in front of it; over "~url=" with the path when there is no acl;
// and over "~salt=" with the salt when there is one. Neither url nor salt is sent. The key is the
// secret decoded from hex.
//
// The rules come from Akamai's own libraries (akamai/EdgeAuth-Token-Python, -Node, -Ruby and -Java),
// from the pages on Auth Token 2.0 Verification and Segmented Media Protection in Property Manager,
// and, for verifying, from kaltura/nginx-akamai-token-validate-module. Where the libraries escape a
// character differently the strict door refuses it.
//
// The package imports only tokens and what is internal to it.
package akamai
