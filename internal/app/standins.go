package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/sandbox/standins"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// Times of the sandbox besides T and P, short enough to watch a rotation.
const (
	devSnapshotMaxAge = 5 * time.Second
	devClockSkew      = time.Second
	devMaxCall        = 10 * time.Second
)

// DefaultPropagation is how long the sandbox's edges take to learn a change.
const DefaultPropagation = 2 * time.Second

const maxDevPropagation = 10 * time.Minute

// account is the id of the account at a provider's stand-in.
func account(provider string) string { return "sandbox-" + provider }

// sandboxed returns cfg with short times and with accounts at the stand-ins.
func sandboxed(cfg config.Config, o DevOptions, c standins.Credentials) config.Config {
	cfg.SnapshotMaxAge, cfg.ClockSkew, cfg.MaxCall, cfg.Propagation = devSnapshotMaxAge, devClockSkew, devMaxCall, o.Propagation
	cfg.TrustedProxies = []string{"127.0.0.0/8", "::1"} // an edge on this machine may ask
	cfg.Accounts = []config.Account{
		{
			ID: account(standins.Wowza), Provider: standins.Wowza, APIVersion: "v1.8", BaseURL: c.WowzaURL, CookieBoundToSecret: o.CookieBoundToSecret,
			Environment: map[string]tokens.Secret{config.AccessKey: c.WowzaAccessKey, config.APIKey: c.WowzaAPIKey},
		},
		{
			ID: account(standins.Qencode), Provider: standins.Qencode, BaseURL: c.QencodeURL, LiveBaseURL: c.QencodeURL,
			Environment: map[string]tokens.Secret{config.APIKey: c.QencodeAPIKey},
		},
		{
			ID: account(standins.Agora), Provider: standins.Agora, BaseURL: c.AgoraURL, AppID: c.AgoraAppID, CustomerID: c.AgoraCustomerID,
			Environment: map[string]tokens.Secret{config.CustomerSecret: c.AgoraCustomerSecret},
		},
	}
	return cfg
}

// stand has the stand-ins hold what the store says that their providers hold: they forget when they end, and
// the store may not.
func (a *App) stand(ctx context.Context, at *standins.Standins) error {
	for _, e := range exhibits() {
		if len(e.target.Resources) == 0 {
			continue
		}
		record, err := a.store.Get(ctx, e.target.ID)
		if err != nil {
			return err
		}
		for _, st := range e.standing(record) {
			if st.key != nil {
				if st.Secret, err = a.sealer.Open(keystore.Binding{Target: e.target.ID, Version: st.key.Version}, st.key.Sealed); err != nil {
					return err
				}
			}
			if err := at.Put(st.Standing); err != nil {
				return fmt.Errorf("sandbox target %s: %w", e.target.ID, err)
			}
		}
	}
	return nil
}

// standing is a resource, and the key whose secret it holds; nil for none.
type standing struct {
	standins.Standing

	key *keystore.Key
}

func (e *exhibit) standing(r keystore.Record) []standing {
	var all []standing
	if r.Target.Mode() == keystore.Overlap {
		for i := range r.Keys {
			if k := &r.Keys[i]; len(k.Sealed) > 0 && k.State != keystore.Retired {
				all = append(all, standing{Standing: standins.Standing{Provider: r.Target.Provider, Resource: r.Target.Resources[0], KID: k.KID}, key: k})
			}
		}
		return all
	}
	for slot, resource := range r.Target.Resources {
		st := standins.Standing{Provider: r.Target.Provider, Resource: resource}
		if hdnts := strings.Split(e.streams[slot].Playlist, "/"); r.Target.Provider == standins.Wowza {
			st.StreamID, st.Name = hdnts[2], hdnts[3]
		}
		all = append(all, standing{Standing: st, key: inSlot(r, slot)})
	}
	return all
}

// inSlot returns the key that a slot holds: the new one of an operation that has set it, else one that counts.
func inSlot(r keystore.Record, slot int) *keystore.Key {
	var held *keystore.Key
	for i := range r.Keys {
		k := &r.Keys[i]
		isSet := k.State == keystore.Pending && r.Operation != nil && r.Operation.To == k.Version && r.Operation.Step == keystore.Applied
		if k.Slot == slot && (k.State == keystore.Active || k.State == keystore.Retiring || isSet) {
			held = k // versions ascend: a new key comes last
		}
	}
	return held
}
