package qencode

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
)

// signingKey is a key, also for as long as edges still know it after it was deleted.
type signingKey struct {
	id       string
	resource string
	name     *string
	private  []byte // PEM
	public   tokens.Key
	created  time.Time // by the API's clock
	made     time.Time // by the edges' clock
	deleted  time.Time // by the edges' clock; zero while it stands
	order    int
}

// describe returns what the API shows of a key after it was made.
func (k *signingKey) describe(q Quirks) object {
	kind, id := splitResource(k.resource)
	shown := object{bindingField(kind, q): id, "created": k.created.UTC().Format(dateForm), "id": k.id}
	// The vendor's list shows a name, null or not, for the keys of streams alone.
	if k.name != nil || kind != kindDomain {
		shown["name"] = k.name
	}
	if q.ShowPrivateKeys {
		shown["private_key"] = string(k.private)
	}
	return shown
}

func bindingField(kind string, q Quirks) string {
	switch {
	case kind == kindStream:
		return "stream_id"
	case kind == kindDomain:
		return "domain_id"
	case q.BucketField != "":
		return q.BucketField
	}
	return "bucket"
}

// mayMint reports whether a resource exists and may have one more key. The caller holds the lock.
func (s *Server) mayMint(resource string) error {
	if err := s.exists(resource); err != nil {
		return err
	}
	if s.quirks.OneKeyEach && len(s.standing(resource)) > 0 {
		return invalid("a signing key for this resource exists")
	}
	if len(s.standing("")) >= maxKeys {
		return invalid("too many signing keys")
	}
	return nil
}

// mint makes a key for a resource that may have one. The caller holds the lock.
func (s *Server) mint(resource string) (*signingKey, error) {
	s.forget()
	private, public, err := s.cfg.Pool.key(s.drawn)
	if err != nil {
		return nil, err
	}
	s.drawn++
	if s.quirks.PKCS8 {
		if private, err = asPKCS8(private); err != nil {
			return nil, err
		}
	}
	id := newID()
	verifying, err := verifyKey(id, public)
	if err != nil {
		return nil, err
	}
	s.made++
	k := &signingKey{id: id, resource: resource, private: private, public: verifying, created: s.cfg.clock(), made: s.cfg.Now(), order: s.made}
	s.keys[id] = k
	return k, nil
}

func verifyKey(id string, public *rsa.PublicKey) (tokens.Key, error) {
	return qencode.NewVerifyKey(id, x509.MarshalPKCS1PublicKey(public))
}

func asPKCS8(text []byte) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("sandbox: a key is no PEM")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("sandbox: a key cannot be read")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("sandbox: a key cannot be written as PKCS#8")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// forget drops deleted keys that no edge knows any more. The caller holds the lock.
func (s *Server) forget() {
	now := s.cfg.Now()
	for id, k := range s.keys {
		if !k.deleted.IsZero() && !s.isKnown(k, now) {
			delete(s.keys, id)
		}
	}
}

// inOrder returns all keys, oldest first. The caller holds the lock.
func (s *Server) inOrder() []*signingKey {
	return slices.SortedFunc(maps.Values(s.keys), func(a, b *signingKey) int { return cmp.Compare(a.order, b.order) })
}

// standing returns the keys of a resource, or of all with "", that were not deleted, oldest first. The
// caller holds the lock.
func (s *Server) standing(resource string) []*signingKey {
	return slices.DeleteFunc(s.inOrder(), func(k *signingKey) bool {
		return !k.deleted.IsZero() || resource != "" && k.resource != resource
	})
}

// key returns a key that was not deleted. The caller holds the lock.
func (s *Server) key(id string) (*signingKey, error) {
	k := s.keys[id]
	if k == nil || !k.deleted.IsZero() {
		return nil, notFound("signing key")
	}
	return k, nil
}

func (s *Server) createKey(r *http.Request) (any, error) {
	var asked struct {
		StreamID string `json:"stream_id"`
		DomainID string `json:"domain_id"`
		Bucket   string `json:"bucket"`
	}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	var wanted []string
	for kind, id := range map[string]string{kindStream: asked.StreamID, kindDomain: asked.DomainID, kindBucket: asked.Bucket} {
		if id != "" {
			wanted = append(wanted, kind+":"+id)
		}
	}
	if len(wanted) != 1 {
		return nil, invalid("one of stream_id, domain_id and bucket is needed")
	}
	resource := wanted[0]
	var shown object
	var failed error
	err := s.change(r.Context(), "make a signing key of "+resource, func() error { return s.mayMint(resource) }, func() {
		k, err := s.mint(resource)
		if err != nil {
			failed = err
			return
		}
		shown = k.describe(s.quirks)
		shown["name"] = nil
		shown["private_key"] = string(k.private)
	})
	return object{"signing_key": shown}, errors.Join(err, failed)
}

func (s *Server) getKey(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return object{"signing_key": k.describe(s.quirks)}, nil
}

func (s *Server) listKeys(*http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := make([]object, 0, len(s.keys))
	for _, k := range s.standing("") {
		shown = append(shown, k.describe(s.quirks))
	}
	return object{"signing_keys": s.ordered(shown)}, nil
}

func (s *Server) renameKey(r *http.Request) (any, error) {
	var asked struct {
		Name *string `json:"name"`
	}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	if asked.Name == nil {
		return nil, invalid("name is needed")
	}
	id := r.PathValue("id")
	var k *signingKey
	var shown object
	err := s.change(r.Context(), "rename signing key "+id, s.find(id, &k), func() {
		k.name = asked.Name
		shown = k.describe(s.quirks)
	})
	return object{"signing_key": shown}, err
}

func (s *Server) deleteKey(r *http.Request) (any, error) {
	if err := empty(r); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	var k *signingKey
	err := s.change(r.Context(), "delete signing key "+id, s.find(id, &k), func() { k.deleted = s.cfg.Now() })
	return okay(), err
}

// find returns a check that a key exists, which puts it into k.
func (s *Server) find(id string, k **signingKey) func() error {
	return func() (err error) {
		*k, err = s.key(id)
		return err
	}
}
