package streamapi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of viewer keys.
const (
	// MinViewerSecret is the least length of the secret behind viewer keys, in bytes.
	MinViewerSecret = 32
	// MaxViewerLifetime is how long a viewer key may be good for. The player shows it once, when it joins.
	MaxViewerLifetime = 10 * time.Minute
	// maxViewer is the longest viewer id, in bytes.
	maxViewer = 64
	// macLength is how much of the HMAC-SHA256 a key carries, in bytes.
	macLength = 16
)

// ViewerKeys makes and checks viewer keys: what a viewer's player brings as its key, and what StreamAPI hands
// on to the site's call-back. Such a key is ours alone, the vendor did not look into it. Ours is
// EXPIRY.VIEWER.NONCE.MAC, good for one public host id and one viewer, without a store. It is safe for
// concurrent use.
type ViewerKeys struct{ secret tokens.Secret }

// NewViewerKeys returns viewer keys under a secret of at least MinViewerSecret bytes. The secret is ours alone;
// it is not the account's secret key.
func NewViewerKeys(secret tokens.Secret) (*ViewerKeys, error) {
	if secret.Len() < MinViewerSecret {
		return nil, fmt.Errorf("streamapi: the secret behind viewer keys has %d bytes; want %d or more", secret.Len(), MinViewerSecret)
	}
	return &ViewerKeys{secret: secret}, nil
}

// Viewer is what a good viewer key says.
type Viewer struct {
	// ID is the caller's id of the viewer.
	ID string
	// Nonce is different in every key. Who wants a key to work once only remembers it until Expires.
	Nonce string
	// Expires is the moment from which the key is refused.
	Expires time.Time
}

// Mint makes a key for one viewer of one session. viewer is made of 1 to 64 letters, digits, "-" and "_";
// the time to live is whole seconds, above 0 and up to MaxViewerLifetime. Errors wrap tokens.ErrInvalidParams.
func (k *ViewerKeys) Mint(publicHostID, viewer string, ttl time.Duration, now time.Time) (string, error) {
	switch {
	case !isPublicID(publicHostID):
		return "", tokens.ParamError(tokens.InvalidArgument, "public_hostid", "want 1 to 20 digits")
	case !isViewer(viewer):
		return "", tokens.ParamError(tokens.InvalidArgument, "viewer", "want 1 to %d letters, digits, %q and %q", maxViewer, "-", "_")
	case ttl < time.Second:
		return "", tokens.ParamError(tokens.NoExpiry, "ttl", "want a second or more")
	case ttl > MaxViewerLifetime:
		return "", tokens.ParamError(tokens.LifetimeTooLong, "ttl", "want at most %s: a player shows its key at once", MaxViewerLifetime)
	}
	expires := strconv.FormatInt(now.Add(ttl).Unix(), 10)
	signed := expires + "." + viewer + "." + rand.Text()
	return signed + "." + k.mac(publicHostID, signed), nil
}

// Check implements KeyChecker: it reads a key that a viewer brought to a session, in constant time. Errors wrap tokens.ErrRefused and
// carry a tokens.Reason; they do not repeat the key. A key of another session reads as one with a bad signature.
func (k *ViewerKeys) Check(_ context.Context, key, publicHostID string, now time.Time) (Viewer, error) {
	parts := strings.Split(key, ".")
	if len(parts) != 4 || len(key) > 256 || !isPublicID(publicHostID) || !isViewer(parts[1]) {
		return Viewer{}, tokens.Refuse(tokens.Malformed, "this is no viewer key; want EXPIRY.VIEWER.NONCE.MAC and a decimal public host id")
	}
	signed := strings.Join(parts[:3], ".")
	if !hmac.Equal([]byte(parts[3]), []byte(k.mac(publicHostID, signed))) {
		return Viewer{}, tokens.Refuse(tokens.BadSignature, "the viewer key was not made for this session under this secret")
	}
	seconds, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return Viewer{}, tokens.Refuse(tokens.Malformed, "the viewer key's expiry is no decimal number of seconds")
	}
	v := Viewer{ID: parts[1], Nonce: parts[2], Expires: time.Unix(seconds, 0)}
	switch {
	case !now.Before(v.Expires):
		return Viewer{}, tokens.Refuse(tokens.Expired, "the viewer key has expired; fetch a new one")
	case v.Expires.Sub(now) > MaxViewerLifetime:
		return Viewer{}, tokens.Refuse(tokens.LifetimeTooLong, "the viewer key is good for longer than %s; is the clock right?", MaxViewerLifetime)
	}
	return v, nil
}

func (k *ViewerKeys) mac(publicHostID, signed string) string {
	mac := hmac.New(sha256.New, k.secret.Reveal())
	mac.Write([]byte("streamapi viewer key 1\n" + publicHostID + "\n" + signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:macLength])
}
