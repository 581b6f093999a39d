package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tokensvc/tokensvc/tokens"
)

// accountPrefix begins the variables that hold credentials of accounts.
const accountPrefix = envPrefix + "ACCOUNT_"

// Names of credentials: the keys of the file without _file.
const (
	AccessKey      = "access_key"
	APIKey         = "api_key"
	JWT            = "jwt"
	CustomerSecret = "customer_secret"
	CallbackSecret = "callback_secret"
)

// Credential is a secret of an account: in a file, or given by the environment.
type Credential struct {
	// File is the path; empty where the environment gives the secret.
	File string
	// Environment is the secret that a variable gives; empty where a file does.
	Environment tokens.Secret
}

// Given reports whether there is such a credential.
func (c Credential) Given() bool { return c.File != "" || c.Environment.Len() > 0 }

// Credential returns one of the account's credentials.
func (a Account) Credential(name string) Credential {
	c := Credential{Environment: a.Environment[name]}
	switch name {
	case AccessKey:
		c.File = a.AccessKeyFile
	case APIKey:
		c.File = a.APIKeyFile
	case JWT:
		c.File = a.JWTFile
	case CustomerSecret:
		c.File = a.CustomerSecretFile
	case CallbackSecret:
		c.File = a.CallbackSecretFile
	}
	return c
}

// HasCredentials reports whether the account can speak to its provider. One that cannot names a provider
// whose keys are imported.
func (a Account) HasCredentials() bool {
	return slices.ContainsFunc(credentialNames(), func(name string) bool { return name != CallbackSecret && a.Credential(name).Given() })
}

func credentialNames() []string {
	return []string{AccessKey, APIKey, JWT, CustomerSecret, CallbackSecret}
}

// variable is the environment variable of one of the account's credentials.
func (a Account) variable(credential string) string {
	return accountPrefix + strings.ToUpper(strings.ReplaceAll(a.ID, "-", "_")+"_"+credential)
}

// takeVariables gives the accounts and web hooks the secrets of their variables, and reports variables of none.
func (l *loader) takeVariables(c Config) {
	left := maps.Clone(l.credentialVariables)
	known := append(l.takeAccountVariables(c.Accounts, left), l.takeWebhookVariables(c.Webhooks, left)...)
	for _, name := range slices.Sorted(maps.Keys(left)) {
		hint := ""
		if near := nearest(name, known); near != "" {
			hint = "; did you mean " + near + "?"
		}
		whose := "account"
		if strings.HasPrefix(name, webhookPrefix) {
			whose = "web hook"
		}
		l.faults.add("", name, "no %s of the file has such a credential%s", whose, hint)
	}
}

// takeAccountVariables takes those of accounts out of left, and returns the names there could be.
func (l *loader) takeAccountVariables(accounts []Account, left map[string]tokens.Secret) (known []string) {
	for i := range accounts {
		a := &accounts[i]
		for _, name := range credentialNames() {
			variable := a.variable(name)
			known = append(known, variable)
			path := ""
			if a.Credential(name).File != "" {
				path = fmt.Sprintf("accounts[%d].%s_file", i, name)
			}
			text, ok := l.takeVariable(left, variable, "credential", path)
			if !ok {
				continue
			}
			if a.Environment == nil {
				a.Environment = make(map[string]tokens.Secret)
			}
			a.Environment[name] = text
		}
	}
	return known
}

// takeVariable takes one variable out of left and returns what it holds, unless it is at fault: empty, or set beside
// the setting at path that names a file with the same; path is empty where none does.
func (l *loader) takeVariable(left map[string]tokens.Secret, variable, what, path string) (text tokens.Secret, ok bool) {
	if text, ok = left[variable]; !ok {
		return text, false
	}
	delete(left, variable)
	switch {
	case text.Len() == 0:
		l.faults.add("", variable, "is set but empty; give it the %s, or unset it", what)
		return text, false
	case path != "":
		l.faults.add(path, variable, "the file and the variable are both set; keep one")
		return text, false
	}
	return text, true
}

// needs are the settings that an account of a provider must and may have beside id and provider.
type needs struct{ must, may []string }

func needsOf(a Account) (needs, bool) {
	switch a.Provider {
	case "wowza":
		n := needs{must: []string{"api_version"}, may: []string{"base_url", "cookie_bound_to_secret", "propagation"}}
		if a.Credential(JWT).Given() {
			n.must = append(n.must, JWT)
		} else {
			n.must, n.may = append(n.must, AccessKey, APIKey), append(n.may, "send_api_key")
		}
		return n, true
	case "qencode":
		return needs{must: []string{APIKey}, may: []string{"base_url", "live_base_url", "propagation"}}, true
	case "agora":
		return needs{must: []string{"app_id", "customer_id", CustomerSecret}, may: []string{"base_url", "propagation", CallbackSecret, "push_hosts"}}, true
	default:
		return needs{}, false
	}
}

// settings lists what an account says beside id and provider.
func (a Account) settings() []string {
	var given []string
	for name, is := range map[string]bool{
		"api_version": a.APIVersion != "", "send_api_key": a.SendAPIKey, "app_id": a.AppID != "", "customer_id": a.CustomerID != "",
		"base_url": a.BaseURL != "", "live_base_url": a.LiveBaseURL != "", "propagation": a.Propagation != 0,
		"cookie_bound_to_secret": a.CookieBoundToSecret, "push_hosts": len(a.PushHosts) > 0,
	} {
		if is {
			given = append(given, name)
		}
	}
	for _, name := range credentialNames() {
		if a.Credential(name).Given() {
			given = append(given, name)
		}
	}
	slices.Sort(given)
	return given
}

func (c Config) checkAccounts(k *checker) {
	seen := make(map[string]int, len(c.Accounts))
	for i, a := range c.Accounts {
		path := fmt.Sprintf("accounts[%d]", i)
		k.once(seen, a.ID, "accounts", i)
		given := a.settings()
		n, speaks := needsOf(a)
		switch {
		case !speaks && len(given) > 0 && a.Provider == "akamai":
			k.fault(path, "provider akamai has no API here, and its accounts no settings; leave out %s", strings.Join(given, ", "))
			continue
		case !speaks:
			continue
		case len(given) == 0:
			k.warn(path, "has no credentials; keys of its targets can be imported, not rotated")
			continue
		}
		for _, name := range n.must {
			if !slices.Contains(given, name) {
				k.fault(path, "%s is needed for an account of provider %s", keyOf(name), a.Provider)
			}
		}
		for _, name := range given {
			if !slices.Contains(n.must, name) && !slices.Contains(n.may, name) {
				k.fault(path+"."+keyOf(name), "is not for this account of provider %s, which takes %s", a.Provider, strings.Join(keysOf(append(n.must, n.may...)), ", "))
			}
		}
	}
}

// keyOf returns the key of a setting in the file.
func keyOf(name string) string {
	if slices.Contains(credentialNames(), name) {
		return name + "_file"
	}
	return name
}

func keysOf(names []string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = keyOf(name)
	}
	return keys
}
