package qencode

import (
	"net/url"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/refusal"
)

// LiveURL returns the playlist URL of a live stream on Qencode's own host. The playback id becomes
// part of a host name: letters, digits and inner hyphens, at most 58.
func LiveURL(playbackID string) (string, error) {
	host := "play-" + playbackID
	if playbackID == "" || !isLabel(host) {
		return "", urlError("a playback id on Qencode's host has letters, digits and inner hyphens, at most 58")
	}
	return "https://" + host + ".qencode.com/qhls/qlive/playlist.m3u8", nil
}

// LiveDomainURL returns the playlist URL of a live stream on a custom playback domain. The playback
// id has letters, digits, "-" and "_", at most 128.
func LiveDomainURL(domain, playbackID string) (string, error) {
	if err := checkDomain(domain); err != nil {
		return "", err
	}
	if playbackID == "" || len(playbackID) > 128 || strings.ContainsFunc(playbackID, notInID) {
		return "", urlError("a playback id has letters, digits, - and _, at most 128")
	}
	return "https://" + domain + "/" + playbackID + playlistSuffix, nil
}

// BucketURL returns the URL of an object in a media storage bucket. Regions are us-west and
// eu-central at the time of writing; others are taken as they are. The key is raw and is escaped here.
func BucketURL(bucket, region, key string) (string, error) {
	if !isLabel(bucket) {
		return "", urlError("a bucket's name has letters, digits and inner hyphens, at most 63; a dot would fall outside the certificate")
	}
	if !isLabel(region) {
		return "", urlError("want a region, as in us-west")
	}
	path, err := escapeKey(key)
	if err != nil {
		return "", err
	}
	return "https://" + bucket + ".media-storage." + region + ".qencode.com/" + path, nil
}

// BucketDomainURL returns the URL of an object in a bucket behind a custom domain. The key is raw
// and is escaped here.
func BucketDomainURL(domain, key string) (string, error) {
	if err := checkDomain(domain); err != nil {
		return "", err
	}
	path, err := escapeKey(key)
	if err != nil {
		return "", err
	}
	return "https://" + domain + "/" + path, nil
}

// Split returns the token that a URL carries in its parameter auth. Errors wrap tokens.ErrRefused:
// MALFORMED when it stands there twice or not at all.
func Split(signedURL string) (string, error) {
	token, count := tokens.FindQuery(signedURL, QueryName)
	switch {
	case count > 1:
		return "", refusal.Malformed("the URL has two parameters %s", QueryName)
	case count == 0:
		return "", refusal.Malformed("the URL has no parameter %s", QueryName)
	}
	return token, nil
}

// escapeKey escapes a raw object key for a path. A plus sign is escaped too, since some servers read
// it as a blank.
func escapeKey(key string) (string, error) {
	if err := checkURI(key); err != nil {
		return "", err
	}
	if strings.HasSuffix(key, "/") {
		return "", uriError("is a prefix; a URL names one object")
	}
	segments := strings.Split(key, "/")
	for i, segment := range segments {
		segments[i] = strings.ReplaceAll(url.PathEscape(segment), "+", "%2B")
	}
	return strings.Join(segments, "/"), nil
}

// checkDomain accepts a host name of two labels or more, without a port.
func checkDomain(domain string) error {
	labels := strings.Split(domain, ".")
	if len(domain) > 253 || len(labels) < 2 {
		return urlError("want a domain, as in live.example.com")
	}
	for _, label := range labels {
		if !isLabel(label) {
			return urlError("want a domain, as in live.example.com, of letters, digits and inner hyphens")
		}
	}
	return nil
}

// isLabel reports whether s can stand between the dots of a host name.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r == '_' || notInID(r) })
}

func notInID(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
		return false
	}
	return true
}
