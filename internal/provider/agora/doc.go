// Package agora is the client of the RESTful API of Agora Media Broadcast (Fusion CDN), a public beta:
// domains and their authKey, the settings of origin authentication, entry points, and bans and reports of
// streams. It also checks the signature of Agora's call-backs.
//
// As a provider it is a Setter with one slot: a domain has one authKey, and setting it overwrites the old
// one. It is an Inspector too, since Agora shows the authKey in clear. Resources are "domain:" and the
// domain's name.
//
// Agora documents status codes but no error body, so failures are told apart by status alone.
package agora
