package qencode

import (
	"maps"
	"net/http"
	"net/textproto"
	"strings"
)

// Policies of buckets and playback ids.
const (
	policyPublic        = "public"
	policyAuthenticated = "authenticated"
)

func checkPolicy(policy string) error {
	if policy != policyPublic && policy != policyAuthenticated {
		return invalid("policy must be %s or %s", policyPublic, policyAuthenticated)
	}
	return nil
}

type bucket struct {
	authenticated bool
	cors          map[string]string
	purged        []string
}

type playbackID struct{ id, policy string }

// bucketOf returns the bucket that the path names. The caller holds the lock.
func (s *Server) bucketOf(r *http.Request) (*bucket, error) {
	b := s.buckets[r.PathValue("bucket")]
	if b == nil {
		return nil, notFound(kindBucket)
	}
	return b, nil
}

// changeBucket applies a change to the bucket that the path names.
func (s *Server) changeBucket(r *http.Request, what string, apply func(*bucket)) (any, error) {
	var b *bucket
	check := func() (err error) {
		b, err = s.bucketOf(r)
		return err
	}
	err := s.change(r.Context(), what+" of bucket "+r.PathValue("bucket"), check, func() { apply(b) })
	return okay(), err
}

func (s *Server) setPolicy(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	policy := r.PathValue("policy")
	if err := checkPolicy(policy); err != nil {
		return nil, err
	}
	return s.changeBucket(r, "set the policy", func(b *bucket) { b.authenticated = policy == policyAuthenticated })
}

func (s *Server) setCORS(r *http.Request) (any, error) {
	var headers map[string]string
	if err := read(r, &headers); err != nil {
		return nil, err
	}
	for name := range headers {
		if !strings.HasPrefix(name, "Access-Control-") {
			return nil, invalid("%q is no CORS header", name)
		}
	}
	return s.changeBucket(r, "set the CORS headers", func(b *bucket) { b.cors = headers })
}

func (s *Server) getCORS(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(r)
	if err != nil {
		return nil, err
	}
	return maps.Clone(b.cors), nil
}

func (s *Server) deleteCORS(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	return s.changeBucket(r, "delete the CORS headers", func(b *bucket) { b.cors = map[string]string{} })
}

func (s *Server) deleteCORSHeader(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	header := textproto.CanonicalMIMEHeaderKey(r.PathValue("header"))
	return s.changeBucket(r, "delete a CORS header", func(b *bucket) { delete(b.cors, header) })
}

func (s *Server) purgeAll(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	return s.changeBucket(r, "purge the cache", func(b *bucket) { b.purged = []string{""} })
}

func (s *Server) purge(r *http.Request) (any, error) {
	var asked struct {
		Path string `json:"path"`
	}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	if asked.Path == "" {
		return nil, invalid("path is needed")
	}
	return s.changeBucket(r, "purge a path", func(b *bucket) { b.purged = append(b.purged, asked.Path) })
}

// Purged returns the paths of a bucket that were purged since all of it was; "" stands for all of it.
func (s *Server) Purged(name string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil {
		return append([]string(nil), b.purged...)
	}
	return nil
}

// createPlaybackID adds a playback id to a live stream. The reference does not show the answer; this is the
// form of the API's other answers.
func (s *Server) createPlaybackID(r *http.Request) (any, error) {
	var asked struct {
		Policy string `json:"policy"`
	}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	if err := checkPolicy(asked.Policy); err != nil {
		return nil, err
	}
	stream := r.PathValue("id")
	made := playbackID{id: newID(), policy: asked.Policy}
	check := func() error { return s.exists(kindStream + ":" + stream) }
	err := s.change(r.Context(), "make a playback id of stream "+stream, check, func() { s.streams[stream] = append(s.streams[stream], made) })
	return object{"playback_id": object{"id": made.id, "policy": made.policy}}, err
}
