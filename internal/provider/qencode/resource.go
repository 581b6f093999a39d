package qencode

import (
	"regexp"
	"strings"
	"time"
)

// Kinds of resources that a signing key can belong to, as they stand before the colon: "stream:UUID" is a
// live stream, "domain:UUID" a playback domain, "bucket:NAME" a media storage bucket.
const (
	KindStream = "stream"
	KindDomain = "domain"
	KindBucket = "bucket"
)

// bindingField returns the field of a signing key that names its resource. The vendor shows the first two;
// the third is an assumption, and SigningKey.Other shows it if it has another name.
func bindingField(kind string) string {
	switch kind {
	case KindStream:
		return "stream_id"
	case KindDomain:
		return "domain_id"
	case KindBucket:
		return "bucket"
	}
	return ""
}

func kinds() []string { return []string{KindStream, KindDomain, KindBucket} }

// parseResource reads a resource of the port. call is for the error.
func parseResource(call, resource string) (kind, id string, err error) {
	kind, id, _ = strings.Cut(resource, ":")
	switch kind {
	case KindStream, KindDomain:
		return kind, id, checkUUID(call, "a "+kind, id)
	case KindBucket:
		return kind, id, checkBucket(call, id)
	}
	return "", "", refused(call, `a resource is "stream:UUID", "domain:UUID" or "bucket:NAME"`)
}

func checkUUID(call, what, id string) error {
	if !uuidForm().MatchString(id) {
		return refused(call, "the id of "+what+" is a UUID in lower case")
	}
	return nil
}

func checkBucket(call, name string) error {
	if !bucketForm().MatchString(name) || strings.Contains(name, "..") {
		return refused(call, "the name of a bucket has 3 to 63 lower-case letters, digits, dots and dashes")
	}
	return nil
}

// checkID accepts ids of signing keys and TLS subscriptions. Theirs are UUIDs; only what has to be is
// insisted on, so that a key can always be deleted.
func checkID(call, id string) error {
	if !isID(id) {
		return refused(call, `an id has 1 to 128 letters, digits, "-" and "_"`)
	}
	return nil
}

func isID(id string) bool { return idForm().MatchString(id) }

func uuidForm() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
}

func bucketForm() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`) }

func idForm() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`) }

// parseTime reads one of the vendor's times: UTC, without saying so, and cut to the second. The zero Time
// stands for what cannot be read.
func parseTime(text string) time.Time {
	for _, form := range []string{time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(form, text, time.UTC); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
