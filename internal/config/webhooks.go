package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/internal/entitle/expression"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/tokens"
)

// webhookPrefix begins the variables that hold secrets of web hooks.
const webhookPrefix = envPrefix + "WEBHOOK_"

// Secret says where the web hook's secret is.
func (w *Webhook) Secret() Credential {
	return Credential{File: w.SecretFile, Environment: w.Environment}
}

// variable is the environment variable of the web hook's secret.
func (w *Webhook) variable() string {
	return webhookPrefix + strings.ToUpper(strings.ReplaceAll(w.ID, "-", "_")) + "_SECRET"
}

// takeWebhookVariables takes those of web hooks out of left, and returns the names there could be.
func (l *loader) takeWebhookVariables(webhooks []Webhook, left map[string]tokens.Secret) (known []string) {
	for i := range webhooks {
		w := &webhooks[i]
		variable := w.variable()
		known = append(known, variable)
		path := ""
		if w.SecretFile != "" {
			path = fmt.Sprintf("webhooks[%d].secret_file", i)
		}
		if text, ok := l.takeVariable(left, variable, "secret", path); ok {
			w.Environment = text
		}
	}
	return known
}

func (c Config) checkWebhooks(k *checker) {
	seen := make(map[string]int, len(c.Webhooks))
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		path := fmt.Sprintf("webhooks[%d]", i)
		k.once(seen, w.ID, "webhooks", i)
		if w.URL != "" && !soundHook(w.URL) {
			k.fault(path+".url", "want an absolute https URL without user, password or fragment; http is for loopback addresses alone")
		}
		if !w.Secret().Given() {
			k.fault(path+".secret_file", "is missing; name a file, or set %s", w.variable())
		}
		switch {
		case w.OnError == "last_known" && w.MaxAge == 0:
			k.fault(path+".max_age", "is missing; on_error last_known needs to know how old an answer it may take")
		case w.OnError == "deny" && w.MaxAge != 0:
			k.fault(path+".max_age", "is for on_error last_known; leave it out, or change on_error")
		}
	}
}

func soundHook(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback())
}

// checkRules holds the expressions and web hooks of a policy to what there is.
func (c Config) checkRules(k *checker, path string, a *playback.Access) {
	if a == nil || k.faulty(path) {
		return
	}
	if k.expressions == nil {
		var err error
		if k.expressions, err = expression.NewCompiler(); err != nil {
			k.fault(path, "%v", err)
			return
		}
	}
	_ = a.Walk(func(part *playback.Access) error { // visit returns no error
		if part.Webhook != "" && !slices.ContainsFunc(c.Webhooks, func(w Webhook) bool { return w.ID == part.Webhook }) {
			k.fault(path, "no web hook %s among webhooks", quote(part.Webhook))
		}
		if part.Expression == "" {
			return nil
		}
		if _, err := k.expressions.Compile(part.Expression); err != nil {
			k.fault(path, "%v", err)
		}
		return nil
	})
}
