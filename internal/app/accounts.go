package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/obs"
	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/agora"
	"github.com/tokensvc/tokensvc/internal/provider/qencode"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
	"github.com/tokensvc/tokensvc/internal/provider/wowza"
	"github.com/tokensvc/tokensvc/keystore"
	"github.com/tokensvc/tokensvc/tokens"
)

// maxCredential bounds a file with a credential, in bytes.
const maxCredential = 64 << 10

// Qencode names no limit; this is polite.
const (
	qencodeRate  = 5
	qencodeBurst = 10
)

// providers are the adapters of the accounts that have credentials, by account id.
type providers map[string]provider.Provider

// newProviders builds an adapter for each account. It makes no call. The error names every account that is
// at fault.
func newProviders(cfg config.Config, log *slog.Logger, now func() time.Time, calls *providerCalls) (providers, error) {
	all := make(providers, len(cfg.Accounts))
	var faults []error
	for i := range cfg.Accounts {
		a := cfg.Accounts[i]
		if !a.HasCredentials() {
			continue
		}
		p, err := newProvider(cfg, a, log, now, calls)
		if err != nil {
			faults = append(faults, fmt.Errorf("account %q: %w", a.ID, err))
			continue
		}
		all[a.ID] = p
	}
	return all, errors.Join(faults...)
}

func newProvider(cfg config.Config, a config.Account, log *slog.Logger, now func() time.Time, calls *providerCalls) (provider.Provider, error) {
	over := rest.Config{
		Base: a.BaseURL, Version: obs.Version().Version, MaxCall: cfg.MaxCall, Timeout: min(rest.DefaultTimeout, cfg.MaxCall),
		Log: log.With("account", a.ID), Now: now, Observe: calls.observe(a.Provider),
	}
	propagation := cmp.Or(a.Propagation, cfg.Propagation)
	switch a.Provider {
	case "wowza":
		auth, err := wowzaAuth(a)
		if err != nil {
			return nil, err
		}
		base := over.Base
		return wowza.New(wowza.Config{Base: base, Version: wowza.Version(a.APIVersion), Auth: auth, Propagation: propagation, CookieBound: a.CookieBoundToSecret, HTTP: over})
	case "qencode":
		key, err := readCredential(a.Credential(config.APIKey))
		if err != nil {
			return nil, err
		}
		over.Budget = rest.NewBudget(qencodeRate, qencodeBurst)
		return qencode.New(qencode.Config{APIKey: key, CDN: a.BaseURL, Live: a.LiveBaseURL, Propagation: propagation, HTTP: over})
	case "agora":
		secret, err := readCredential(a.Credential(config.CustomerSecret))
		if err != nil {
			return nil, err
		}
		return agora.New(agora.Config{
			AppID: a.AppID, Credentials: agora.Credentials{CustomerID: a.CustomerID, CustomerSecret: secret},
			Propagation: propagation, HTTP: over,
		})
	default:
		return nil, fmt.Errorf("provider %s has no API for keys", a.Provider)
	}
}

func wowzaAuth(a config.Account) (wowza.Auth, error) {
	if jwt := a.Credential(config.JWT); jwt.Given() {
		token, err := readCredential(jwt)
		return wowza.JWT(token), err
	}
	access, err := readCredential(a.Credential(config.AccessKey))
	if err != nil {
		return wowza.Auth{}, err
	}
	key, err := readCredential(a.Credential(config.APIKey))
	if err != nil {
		return wowza.Auth{}, err
	}
	if a.SendAPIKey {
		return wowza.APIKey(access, key), nil
	}
	return wowza.HMAC(access, key), nil
}

// of returns the adapter for a target.
func (p providers) of(t keystore.Target) (provider.Provider, error) {
	if adapter, ok := p[t.Account]; ok {
		return adapter, nil
	}
	return nil, fmt.Errorf("account %q of the config file has no credentials", t.Account)
}

// readCredential reads a secret from where it stands, without the white space around it. A file that
// others than its owner can read is refused, however little it holds.
func readCredential(c config.Credential) (secret tokens.Secret, err error) {
	if c.Environment.Len() > 0 {
		return c.Environment, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return secret, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return secret, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return secret, fmt.Errorf("%s is no plain file", c.File)
	case mode.Perm()&0o077 != 0:
		return secret, fmt.Errorf("others can read or change %s (mode %04o); run chmod 600 %s", c.File, mode.Perm(), c.File)
	case info.Size() > maxCredential:
		return secret, fmt.Errorf("%s has %d bytes; a credential has at most %d", c.File, info.Size(), maxCredential)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCredential))
	if err != nil {
		return secret, err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return secret, fmt.Errorf("%s is empty; it should hold the credential", c.File)
	}
	return tokens.NewSecret(text), nil
}
