// Package agora signs and verifies Agora's timestamp authentication of RTMP, HTTP-FLV and HLS URLs
// (Agora Media Broadcast, "Timestamp authentication").
//
// A token is `ts=…&sign=…`: ts is the expiry in decimal Unix seconds, sign the MD5 in hex of
// key + path + ts, put together without any separator. The path is that of the URL as it stands:
// not decoded, without query, host or port. Agora's pages print the sign in two forms, all 32
// digits or the middle 16; signing makes the form asked for, verifying accepts both.
//
// Nothing separates path and ts, so digits at the end of an RTMP stream name can be read as the
// head of ts, and the other way round. The strict door therefore signs no RTMP stream name that ends
// in a digit, and Verify takes no ts above tokens.MaxUnixSeconds, which every ts with a digit moved
// into it is.
//
// MD5 over a key in front is the vendor's choice. It can be searched by brute force, so the strict
// door asks for keys of MinKey characters.
package agora
