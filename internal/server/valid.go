package server

import (
	"google.golang.org/protobuf/proto"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// plainlyValid reports whether a request to sign, or to make a grant, keeps the rules of its .proto file, at a fraction of
// the validator's cost. False means no more than that the validator has to say, in whose words every
// refusal is made. A test holds the two together.
func plainlyValid(m proto.Message) bool {
	switch r := m.(type) {
	case *tokensvcv1.SignPlaybackRequest:
		return signPlainlyValid(r)
	case *tokensvcv1.BatchSignPlaybackRequest:
		n := len(r.GetRequests()) // the items have outcomes of their own
		return n >= 1 && n <= 1000
	case *tokensvcv1.CreateGrantRequest:
		return grantPlainlyValid(r)
	case *tokensvcv1.BatchCreateGrantsRequest:
		n := len(r.GetRequests())
		return n >= 1 && n <= 1000
	default:
		return false
	}
}

func signPlainlyValid(r *tokensvcv1.SignPlaybackRequest) bool {
	return lengthWithin(r.GetId(), 1, 128) && lengthWithin(r.GetViewer(), 1, 256) && lengthWithin(r.GetClientIp(), 0, 64) &&
		(r.GetViewing() == nil || viewingPlainlyValid(r.GetViewing()))
}

func viewingPlainlyValid(v *tokensvcv1.Viewing) bool {
	return lengthWithin(v.GetClientIp(), 0, 64) && lengthWithin(v.GetDevice(), 0, 128) && v.GetCountry() == "" && len(v.GetAttributes()) == 0
}

// lengthWithin counts bytes.
func lengthWithin(s string, least, most int) bool { return len(s) >= least && len(s) <= most }
