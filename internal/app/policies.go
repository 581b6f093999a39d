package app

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tokensvc/tokensvc/internal/config"
	"github.com/tokensvc/tokensvc/internal/entitle"
	"github.com/tokensvc/tokensvc/internal/entitle/webhook"
)

// newHooks builds the web hooks of the config file. It makes no call. The error names every one at fault.
func newHooks(cfg config.Config, log *slog.Logger, now func() time.Time) (*webhook.Hooks, error) {
	configs := make([]webhook.Config, 0, len(cfg.Webhooks))
	var faults []error
	for i := range cfg.Webhooks {
		w := &cfg.Webhooks[i]
		secret, err := readCredential(w.Secret())
		if err != nil {
			faults = append(faults, fmt.Errorf("web hook %q: %w", w.ID, err))
			continue
		}
		configs = append(configs, webhook.Config{
			ID: w.ID, URL: w.URL, Secret: secret, Timeout: w.Timeout, OnError: webhook.OnError(w.OnError), MaxAge: w.MaxAge, CacheTTL: w.CacheTTL,
		})
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return webhook.New(configs, now, log)
}

// openPolicies readies what decides who may watch.
func (a *App) openPolicies() (err error) {
	if a.hooks, err = newHooks(a.cfg, a.log, a.now); err != nil {
		return err
	}
	a.policies, err = entitle.NewPolicies(a.store, a.hooks)
	return err
}
