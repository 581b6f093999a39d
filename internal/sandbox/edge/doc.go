// Package edge is a stand-in for the CDN edges that check playback tokens. It serves the test stream of
// package hls and admits a request as the vendors document it, or, where they document nothing, as the
// strictest reading would:
//
//   - wowza-hdnts: a valid hdnts parameter on any playlist opens a session. The session's cookie opens the
//     playlists and segments under /1/STREAM_ID/ (live) or /2/STREAM_ID/ (VOD) until the edge stops, also
//     after the token has expired, and after the secret has changed unless Config.CookieBoundToSecret is
//     set. A target in playlist-only mode checks playlist.m3u8 alone and sets no cookie. A token with a
//     vod field opens no other VOD stream.
//   - akamai-edgeauth: hdnts or hdnea on a playlist opens a session in the same way, for what the token's
//     acl covers. A token for one path (url, or an acl without a final *) opens the directory of the
//     playlist, since a player could do nothing with the playlist alone.
//   - qencode-jwt: auth is checked on every file. The edge puts it behind the URIs in the playlists that it
//     serves, so that players need no cookie. The resource is the playback id, or the object key in a
//     bucket; there a token needs a prefix that covers playlists and segments.
//   - agora-timestamp: ts and sign are checked on each request for the playlist, so that a player has to
//     come back with a fresh pair. Agora signs the path alone and says nothing of child playlists: here
//     playlist.m3u8 is the media playlist itself, and segments are open.
//
// Tokens are read from the query as they stand, without percent-decoding. Nothing is skipped for a request
// from loopback; there is no way to switch the checks off.
//
// Because it is a sandbox, each refusal says why, in the header X-Tokensvc-Reason and in a short text. It
// never repeats the token. Nothing is logged.
package edge
