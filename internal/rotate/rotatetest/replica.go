package rotatetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// replica signs with the real signer from a view of the store that is always the same time old, by a
// clock that is always the same time off.
type replica struct {
	signer *signer.Signer
	keys   *signer.Keyring
}

// view is a store as it was some ticks ago. It hides the names that keys have at the provider, which tokens
// of the world do not carry, and the slots, which only choose a URL.
type view struct {
	keystore.Store
	world *World
	age   int
}

func (v view) List(context.Context, keystore.Page) ([]keystore.Record, error) {
	i := max(len(v.world.history)-1-v.age, 0)
	r := v.world.history[i].Clone()
	for j := range r.Keys {
		k := &r.Keys[j]
		k.Slot, k.KID = 0, ""
		if v.world.mutation == NoClamp {
			k.Horizon = time.Time{}
		}
		if r.Target.Scheme == schemes.QencodeJWT && len(k.Sealed) > 0 {
			stand, err := v.world.surrogate(k.Version)
			if err != nil {
				return nil, err
			}
			k.Sealed, k.Fingerprint = stand.sealed, stand.fingerprint
		}
	}
	if r.Target.Scheme == schemes.QencodeJWT {
		r.Target.Scheme = schemes.WowzaHdnts
	}
	return []keystore.Record{r}, nil
}

// surrogate is a secret that replicas sign with in place of an RSA key: which key signs, and until when its
// tokens live, is the signer's decision all the same, and a signature is a thousand times cheaper.
type surrogate struct {
	sealed      []byte
	fingerprint string
}

// surrogate returns that of a version.
func (w *World) surrogate(version int) (surrogate, error) {
	if stand, ok := w.surrogates[version]; ok {
		return stand, nil
	}
	secret := tokens.NewSecret(fmt.Appendf(nil, "%032x", version))
	sealed, err := w.sealer.Seal(keystore.Binding{Target: w.Target, Version: version}, secret)
	if err != nil {
		return surrogate{}, err
	}
	stand := surrogate{sealed: sealed, fingerprint: w.Vendor.fingerprint(secret)}
	w.surrogates[version] = stand
	return stand, nil
}

func newReplica(w *World, age int, skew time.Duration) *replica {
	clock := func() time.Time { return w.Now().Add(skew) }
	seen := func() time.Time { return clock().Add(-time.Duration(age) * Tick) }
	keys := signer.NewKeyring(view{world: w, age: age}, w.sealer, seen, slog.New(slog.DiscardHandler))
	cfg := signer.DefaultConfig(1)
	cfg.Timing, cfg.Propagation, cfg.MaxCall, cfg.SharedTokens = timing().Timing, propagation, maxCall, 1
	return &replica{signer: signer.New(keys, cfg, clock), keys: keys}
}

// sign returns the version that signed and the token's expiry; ok is false when the signer refused.
func (r *replica) sign(ctx context.Context, entry *playback.Entry) (version int, expires time.Time, ok bool, err error) {
	if err := r.keys.Refresh(ctx); err != nil {
		return 0, expires, false, err
	}
	credential, err := r.signer.Sign(ctx, entry, signer.Request{})
	var refusal *signer.Error
	if errors.As(err, &refusal) && (refusal.Reason == tokens.KeyCutover || refusal.Reason == tokens.NoActiveKey) {
		return 0, expires, false, nil
	}
	if err != nil {
		return 0, expires, false, err
	}
	_, number, _ := strings.Cut(credential.KeyRef, "/")
	version, err = strconv.Atoi(number)
	return version, credential.ExpiresAt, true, err
}
