package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/internal/clientaddr"
	"github.com/tokensvc/tokensvc/internal/entitle/expression"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/keystore"
)

// Validate returns an *Error that lists every fault, or nil.
func (c Config) Validate() error {
	root, err := describe()
	if err != nil {
		return err
	}
	found, _ := c.check(root)
	if len(found) == 0 {
		return nil
	}
	return &Error{Faults: found}
}

// check applies the rules of the tags and then those between settings.
func (c Config) check(root *field) ([]Fault, []Warning) {
	k := &checker{}
	k.section(root, "", reflect.ValueOf(c))
	c.checkListeners(k)
	c.checkSources(k)
	c.checkProxies(k)
	c.checkAccounts(k)
	c.checkWebhooks(k)
	targets := c.checkTargets(k)
	c.checkPlaybacks(k, targets)
	return k.faults, k.warnings
}

// checker collects what it finds.
type checker struct {
	faults   []Fault
	warnings []Warning
	// expressions compiles those of policies; nil until there is one.
	expressions *expression.Compiler
}

func (k *checker) fault(key, format string, args ...any) {
	k.faults = append(k.faults, Fault{Key: key, Message: fmt.Sprintf(format, args...)})
}

func (k *checker) warn(key, format string, args ...any) {
	k.warnings = append(k.warnings, Warning{Key: key, Message: fmt.Sprintf(format, args...)})
}

// faulty reports whether something is known to be wrong at a path or below.
func (k *checker) faulty(path string) bool {
	return slices.ContainsFunc(k.faults, func(f Fault) bool { return within(f.Key, path) })
}

// section applies the tags of every setting below f.
func (k *checker) section(f *field, path string, v reflect.Value) {
	var choices, taken []string
	for _, c := range f.children {
		p, value := join(path, c.key), v.Field(c.index)
		switch c.kind {
		case kindSection:
			k.section(c, p, value)
		case kindChoice:
			choices = append(choices, c.key)
			if !value.IsNil() {
				taken = append(taken, c.key)
				k.section(c, p, value.Elem())
			}
		case kindList:
			for i := range value.Len() {
				k.section(c, fmt.Sprintf("%s[%d]", p, i), value.Index(i))
			}
		default:
			k.value(c, p, value)
		}
	}
	if len(choices) > 0 && len(taken) != 1 {
		had := "none"
		if len(taken) > 0 {
			had = strings.Join(taken, " and ")
		}
		k.fault(path, "needs exactly one of %s; it has %s", strings.Join(choices, ", "), had)
	}
}

// value applies the tags of one setting.
func (k *checker) value(f *field, path string, v reflect.Value) {
	switch value := v.Interface().(type) {
	case string:
		k.text(f, path, value)
	case time.Duration:
		bounds(k, f, path, value)
		if step, err := time.ParseDuration(f.tag.Get("step")); err == nil && value%step != 0 {
			k.fault(path, "%s is not a multiple of %s", formatDuration(value), formatDuration(step))
		}
		if low, err := time.ParseDuration(f.tag.Get("warn")); err == nil && value < low && value > 0 {
			k.warn(path, "%s is very short; less than %s is spent on slow clocks and retries", formatDuration(value), formatDuration(low))
		}
	case int:
		bounds(k, f, path, value)
	case float64:
		bounds(k, f, path, value)
	case Bytes:
		bounds(k, f, path, value)
	}
}

// bounds holds a number to the tags min and max. It is written so that NaN is out of bounds.
func bounds[T cmp.Ordered](k *checker, f *field, path string, v T) {
	low, err := f.parse(f.tag.Get("min"))
	if err != nil {
		return
	}
	high, err := f.parse(f.tag.Get("max"))
	if err != nil {
		return
	}
	lowest, _ := low.(T) // parse returns the type of the field
	highest, _ := high.(T)
	if inside := v >= lowest && v <= highest; !inside {
		k.fault(path, "%v is not between %v and %v", plain(v), plain(low), plain(high))
	}
}

// text holds a text to its tags.
func (k *checker) text(f *field, path, v string) {
	if v == "" && f.tag.Get("required") == "true" {
		k.fault(path, "is missing")
		return
	}
	if low, err := strconv.Atoi(f.tag.Get("min")); err == nil && len(v) < low {
		k.fault(path, "is empty")
	}
	if high, err := strconv.Atoi(f.tag.Get("max")); err == nil && len(v) > high {
		k.fault(path, "has %d bytes; at most %d are allowed", len(v), high)
	}
	if allowed := f.enum(); allowed != nil && !slices.Contains(allowed, v) {
		k.fault(path, "%s is none of %s", quote(v), strings.Join(slices.DeleteFunc(allowed, func(s string) bool { return s == "" }), ", "))
	}
	if f.pattern != nil && !f.pattern.MatchString(v) {
		k.fault(path, "%s does not match %s", quote(v), f.pattern)
	}
	switch f.tag.Get("form") {
	case "loopback":
		if err := CheckLoopback(v); err != nil {
			k.fault(path, "%s", err)
		}
	case "endpoint":
		if _, _, err := hostPort(v); v != "" && err != nil {
			k.fault(path, "%s", err)
		}
	}
}

// CheckLoopback refuses an address that is not HOST:PORT with a host of localhost or a literal
// loopback address. Other names are refused: what they resolve to may change.
func CheckLoopback(address string) error {
	host, _, err := hostPort(address)
	if err != nil {
		return err
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not a loopback address; callers cannot authenticate yet, so the service listens on loopback only: write 127.0.0.1, [::1] or localhost", quote(address))
}

// hostPort splits HOST:PORT and checks the port.
func hostPort(address string) (host string, port uint16, err error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(host, " /@?#%") {
		return "", 0, fmt.Errorf("%s is not HOST:PORT", quote(address))
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%s: the port is not a number from 0 to 65535", quote(address))
	}
	return host, uint16(n), nil
}

func (c Config) checkListeners(k *checker) {
	_, grpc, err := hostPort(c.Listen.GRPC)
	if err != nil {
		return
	}
	_, http, err := hostPort(c.Listen.HTTP)
	if err == nil && grpc == http && grpc != 0 {
		k.fault("listen.http", "uses port %d, as listen.grpc does; give each its own", http)
	}
	host, port, err := hostPort(c.Tracing.OTLPEndpoint)
	if err == nil && (host == "" || port == 0) {
		k.fault("tracing.otlp_endpoint", "%s is not HOST:PORT", quote(c.Tracing.OTLPEndpoint))
	}
}

// checkSources holds the store to a plain file and the master keys to one source.
func (c Config) checkSources(k *checker) {
	if strings.HasPrefix(c.Store.Path, "file:") || strings.HasPrefix(c.Store.Path, ":") || strings.Contains(c.Store.Path, "?") {
		k.fault("store.path", "%s is not the path of a file; URLs, options and :memory: are not taken", quote(c.Store.Path))
	}
	var asked []string
	if c.MasterKey.Environment.Len() > 0 {
		asked = append(asked, MasterKeyVariable)
	}
	if c.MasterKey.Stdin {
		asked = append(asked, "master_key.stdin")
	}
	if c.MasterKey.File != "" {
		asked = append(asked, "master_key.file")
	}
	if len(asked) > 1 {
		k.fault("master_key", "%s are both set; keep exactly one source of master keys", strings.Join(asked, " and "))
	}
}

// checkTargets returns the targets of the file by id.
func (c Config) checkTargets(k *checker) map[string]Target {
	seen, byID := make(map[string]int, len(c.Targets)), make(map[string]Target, len(c.Targets))
	for i, t := range c.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		if k.once(seen, t.ID, "targets", i) {
			byID[t.ID] = t
		}
		if t.MaxTokenLifetime > c.MaxLifetime {
			k.fault(path+".max_token_lifetime", "%s is over max_lifetime, which is %s", formatDuration(t.MaxTokenLifetime), formatDuration(c.MaxLifetime))
		}
		if t.EdgeAuth.Algorithm == "sha1" || t.EdgeAuth.Algorithm == "md5" {
			k.warn(path+".edge_auth.algorithm", "%s is weak; use sha256 where the property can", t.EdgeAuth.Algorithm)
		}
		if err := keystore.CheckTarget(t.ToKeystore()); err != nil && !k.faulty(path) {
			k.fault(path, "%s", strings.TrimPrefix(err.Error(), keystore.ErrIllegal.Error()+": "))
		}
		if t.Account == "" {
			continue
		}
		at := slices.IndexFunc(c.Accounts, func(a Account) bool { return a.ID == t.Account })
		switch {
		case at < 0:
			k.fault(path+".account", "no account %s among accounts", quote(t.Account))
		case c.Accounts[at].Provider != t.Provider:
			k.fault(path+".account", "account %s belongs to provider %s, not %s", quote(t.Account), c.Accounts[at].Provider, quote(t.Provider))
		}
	}
	return byID
}

func (c Config) checkProxies(k *checker) {
	for i := range c.TrustedProxies {
		if _, err := clientaddr.ParseTrusted(c.TrustedProxies[i : i+1]); err != nil {
			k.fault(fmt.Sprintf("trusted_proxies[%d]", i), "%s", err)
		}
	}
}

// checkPolicies holds the access and the sessions of a playback to their rules.
func (p *Playback) checkPolicies(k *checker, path string) {
	if err := playback.CheckAccess(p.Access); err != nil {
		k.fault(path+".access", "%s", strings.TrimPrefix(err.Error(), "access: "))
	}
	switch s := p.Sessions; {
	case s.Rule == "" && s != (Sessions{}):
		k.fault(path+".sessions.rule", "is missing; write deny_new, evict_oldest or allow_same_device")
	case s.HeartbeatTimeout != 0 && s.HeartbeatTimeout < playback.MinHeartbeatTimeout:
		k.fault(path+".sessions.heartbeat_timeout", "%s is under %s; write 0s for none", formatDuration(s.HeartbeatTimeout), formatDuration(playback.MinHeartbeatTimeout))
	}
}

func (c Config) checkPlaybacks(k *checker, targets map[string]Target) {
	seen := make(map[string]int, len(c.Playbacks))
	for i, p := range c.Playbacks {
		k.once(seen, p.ID, "playbacks", i)
		p.checkPolicies(k, fmt.Sprintf("playbacks[%d]", i))
		c.checkRules(k, fmt.Sprintf("playbacks[%d].access", i), p.Access)
		limit, whose := c.MaxLifetime, "max_lifetime"
		if t, ok := targets[p.Target]; ok {
			limit, whose = t.MaxTokenLifetime, fmt.Sprintf("max_token_lifetime of target %q", p.Target)
		}
		if p.TTL+p.ExpiryGranularity > limit {
			k.fault(fmt.Sprintf("playbacks[%d].ttl", i), "%s with an expiry_granularity of %s is over the %s, which is %s",
				formatDuration(p.TTL), formatDuration(p.ExpiryGranularity), whose, formatDuration(limit))
		}
	}
}

// once reports the second use of an id.
func (k *checker) once(seen map[string]int, id, list string, i int) bool {
	first, twice := seen[id]
	if twice && id != "" {
		k.fault(fmt.Sprintf("%s[%d].id", list, i), "%s is the id of %s[%d] already", quote(id), list, first)
		return false
	}
	seen[id] = i
	return true
}
