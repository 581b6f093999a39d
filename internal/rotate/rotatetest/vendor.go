package rotatetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Answer is how a provider answers one call.
type Answer int

// Answers.
const (
	OK Answer = iota
	// Rejected is certainly not applied, nor would it be a second time.
	Rejected
	// Throttled is a 429: certainly not applied.
	Throttled
	// LostBefore is a connection that broke before the call was applied.
	LostBefore
	// LostAfter is one that broke after it was applied.
	LostAfter
	// ServerError is a 5xx that did not apply the call; the caller cannot know.
	ServerError
	// Denied is a 401 or 403: certainly not applied.
	Denied
	// ErrorAfter is a 5xx that applied the call; the caller cannot know.
	ErrorAfter
	// Answers is their number.
	Answers
)

// Vendor is a provider in memory whose edges learn a change only after a time; meanwhile they accept
// neither the old value nor the new one, which is the worst they may do.
type Vendor struct {
	scheme      string
	now         func() time.Time
	propagation time.Duration
	answers     map[int]Answer
	script      func(call string, n int) Answer // for calls that answers has none for; may be nil
	calls       int
	counts      map[string]int
	keys        []minted
	slots       map[string]slot
	labels      map[string]string
}

type minted struct {
	kid, fingerprint string
	created          time.Time
}

type slot struct {
	secret      tokens.Secret
	fingerprint string
	since       time.Time
}

// NewVendor returns a provider without keys whose edges take propagation to learn a change. Its secrets are
// those of a scheme whose tokens name no key.
func NewVendor(scheme string, now func() time.Time, propagation time.Duration) *Vendor {
	return &Vendor{
		scheme: scheme, now: now, propagation: propagation, counts: map[string]int{}, slots: map[string]slot{}, labels: map[string]string{},
	}
}

// Minter is the vendor as one that makes keys, several at once.
func (v *Vendor) Minter(t provider.Traits) provider.Provider { return minter{v, t} }

// Setter is the vendor as one with a slot for each resource.
func (v *Vendor) Setter(t provider.Traits) provider.Provider { return setter{v, t} }

// BlindSetter is a Setter whose slots cannot be read.
func (v *Vendor) BlindSetter(t provider.Traits) provider.Provider { return blindSetter{setter{v, t}} }

// Script answers the n-th call of a name from now on.
func (v *Vendor) Script(script func(call string, n int) Answer) { v.script = script }

// Secret is what stands in a slot.
func (v *Vendor) Secret(resource string) tokens.Secret { return v.slots[resource].secret }

// Count is how often a call was made: "mint", "revoke", "list", "label", "set" or "current".
func (v *Vendor) Count(call string) int { return v.counts[call] }

// answer runs apply as the answer to the next call says.
func (v *Vendor) answer(call string, apply func()) error {
	v.calls++
	v.counts[call]++
	answer, scripted := v.answers[v.calls]
	if !scripted && v.script != nil {
		answer = v.script(call, v.counts[call])
	}
	fail := func(class error, status int) error {
		return &provider.Error{Class: class, Provider: "vendor", Call: call, Status: status, RequestID: call + "-" + strconv.Itoa(v.counts[call])}
	}
	switch answer {
	case Rejected:
		return fail(provider.ErrRejected, 422)
	case Throttled:
		return fail(provider.ErrThrottled, 429)
	case LostBefore:
		return fail(provider.ErrAmbiguous, 0)
	case LostAfter:
		apply()
		return fail(provider.ErrAmbiguous, 0)
	case ServerError:
		return fail(provider.ErrAmbiguous, 503)
	case ErrorAfter:
		apply()
		return fail(provider.ErrAmbiguous, 502)
	case Denied:
		return fail(provider.ErrDenied, 403)
	default:
		apply()
		return nil
	}
}

// fingerprint is that of a secret in the vendor's format.
func (v *Vendor) fingerprint(secret tokens.Secret) string {
	scheme, err := schemes.New(v.scheme, keystore.SchemeOptions{})
	if err != nil {
		return ""
	}
	key, err := scheme.Prepare(tokens.Material{Secret: secret, AllowShort: true})
	if err != nil {
		return ""
	}
	return key.Fingerprint()
}

// Accepts reports whether the edges accept tokens of a key now.
func (v *Vendor) Accepts(fingerprint string) bool {
	for _, k := range v.keys {
		if k.fingerprint == fingerprint && !v.now().Before(k.created.Add(v.propagation)) {
			return true
		}
	}
	for _, s := range v.slots {
		if s.fingerprint == fingerprint && !v.now().Before(s.since.Add(v.propagation)) {
			return true
		}
	}
	return false
}

// KIDs lists the keys that were made and not revoked.
func (v *Vendor) KIDs() []string {
	kids := make([]string, len(v.keys))
	for i, k := range v.keys {
		kids[i] = k.kid
	}
	return kids
}

// Labels returns the names that keys were given, by kid.
func (v *Vendor) Labels() map[string]string { return v.labels }

// MintByHand makes a key as a person in the vendor's console would.
func (v *Vendor) MintByHand() (kid string) {
	kid, _ = v.mint()
	return kid
}

// SetByHand sets a secret as a person in the vendor's console would.
func (v *Vendor) SetByHand(resource string, secret tokens.Secret) { v.put(resource, secret) }

func (v *Vendor) mint() (string, tokens.Secret) {
	var b [16]byte
	_, _ = rand.Read(b[:])
	kid := "kid-" + rand.Text()
	secret := tokens.NewSecret([]byte(hex.EncodeToString(b[:])))
	v.keys = append(v.keys, minted{kid: kid, fingerprint: v.fingerprint(secret), created: v.now()})
	return kid, secret
}

func (v *Vendor) put(resource string, secret tokens.Secret) {
	if old, ok := v.slots[resource]; !ok || !old.secret.Equal(secret) {
		v.slots[resource] = slot{secret: secret, fingerprint: v.fingerprint(secret), since: v.now()}
	}
}

// minter is a vendor that makes keys itself, several for one resource.
type minter struct {
	*Vendor
	traits provider.Traits
}

func (m minter) Traits() provider.Traits { return m.traits }

func (m minter) Mint(context.Context, string) (out provider.Minted, err error) {
	err = m.answer("mint", func() {
		out.KID, out.Secret = m.mint()
		out.CreatedAt = m.now()
	})
	if err != nil {
		return provider.Minted{}, err // the secret was in an answer that nobody read
	}
	return out, nil
}

func (m minter) Revoke(_ context.Context, _, kid string) error {
	return m.answer("revoke", func() {
		for i := range m.keys {
			if m.keys[i].kid == kid {
				m.keys = append(m.keys[:i], m.keys[i+1:]...)
				return
			}
		}
	})
}

func (m minter) List(context.Context, string) (out []provider.Listed, err error) {
	err = m.answer("list", func() {
		for _, k := range m.keys {
			out = append(out, provider.Listed{KID: k.kid, Name: m.labels[k.kid], CreatedAt: k.created})
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (m minter) Label(_ context.Context, _, kid, name string) error {
	return m.answer("label", func() { m.labels[kid] = name })
}

// setter is a vendor with one slot for each resource.
type setter struct {
	*Vendor
	traits provider.Traits
}

func (s setter) Traits() provider.Traits { return s.traits }

func (s setter) Set(_ context.Context, resource string, secret tokens.Secret) error {
	return s.answer("set", func() { s.put(resource, secret) })
}

func (s setter) Current(_ context.Context, resource string) (out tokens.Secret, err error) {
	err = s.answer("current", func() { out = s.slots[resource].secret })
	if err != nil {
		return tokens.Secret{}, err
	}
	return out, nil
}

// blindSetter is a setter whose slots cannot be read.
type blindSetter struct{ setter setter }

func (b blindSetter) Traits() provider.Traits { return b.setter.traits }

func (b blindSetter) Set(ctx context.Context, resource string, secret tokens.Secret) error {
	return b.setter.Set(ctx, resource, secret)
}
