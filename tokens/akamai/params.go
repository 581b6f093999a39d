package akamai

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

// Bounds of the strict door.
const (
	// MaxSessionID is the limit of Adaptive Media Delivery, in bytes.
	MaxSessionID = 64
	// MaxPayload bounds the payload, in bytes.
	MaxPayload = 512
	// MaxPath bounds one ACL or URL path, in bytes.
	MaxPath = 1024
	// MaxACLs bounds the ACLs of one token.
	MaxACLs = 32
)

// Params is what one token is signed for.
type Params struct {
	// ACL lists what the token opens: exact paths, or directories as "/dir/*". Verifiers do not agree
	// on any other wildcard, and a prefix without its final "/" would open siblings too. Either ACL
	// or URLPath is required.
	ACL []string
	// URLPath is the one path that the token opens. It is hashed and not sent.
	URLPath string
	// IP binds the token to one client address; the zero Addr does not. Akamai advises against it. An
	// IPv4 address mapped into IPv6 is bound as IPv4.
	IP netip.Addr
	// Start is when the token begins to count, in whole seconds. Optional.
	Start time.Time
	// Expire is the last second in which the token counts. Required, after now and Start.
	Expire time.Time
	// SessionID goes into the field id, by which a session can be revoked at the edge. At most
	// MaxSessionID.
	SessionID string
	// Payload goes into the field data. At most MaxPayload.
	Payload string
	// MaxLifetime is the furthest that Expire may lie after now. 0 means tokens.DefaultMaxLifetime.
	MaxLifetime time.Duration
	// URL is the playback URL to put the token into. Optional.
	URL string
}

// SchemeName implements tokens.Params.
func (Params) SchemeName() string { return Name }

// check applies the strict rules under c. They hold whatever could end a field or begin another,
// widen what is opened, or be read in two ways.
func (p *Params) check(c *Config, now time.Time) error {
	if err := p.checkScope(c); err != nil {
		return err
	}
	if err := fieldtoken.CheckIP(p.IP); err != nil {
		return err
	}
	if err := checkValue("session_id", p.SessionID, MaxSessionID, c); err != nil {
		return err
	}
	if err := checkValue("payload", p.Payload, MaxPayload, c); err != nil {
		return err
	}
	if p.URL != "" {
		if err := fieldtoken.CheckURL(p.URL, c.TokenName); err != nil {
			return err
		}
	}
	return tokens.CheckWindow(now, p.Start, p.Expire, p.MaxLifetime)
}

func (p *Params) checkScope(c *Config) error {
	switch {
	case len(p.ACL) == 0 && p.URLPath == "":
		return tokens.ParamError(tokens.InvalidArgument, "acl", "required: what the token opens, as exact paths or as /dir/*; or one url path")
	case len(p.ACL) > 0 && p.URLPath != "":
		return tokens.ParamError(tokens.InvalidArgument, "acl", "give either ACLs or a url path")
	case len(p.ACL) > MaxACLs:
		return tokens.ParamError(tokens.InvalidArgument, "acl", "%d entries; at most %d", len(p.ACL), MaxACLs)
	case p.URLPath != "":
		return checkPath("url", p.URLPath, c)
	}
	for _, acl := range p.ACL {
		path := strings.TrimSuffix(acl, "*")
		if err := checkPath("acl", path, c); err != nil {
			return err
		}
		if len(path) < len(acl) && !strings.HasSuffix(path, "/") {
			return tokens.ParamError(tokens.InvalidArgument, "acl", "%q would open its siblings too; a * must follow a final /", tokens.Clip(acl))
		}
	}
	return nil
}

// checkPath refuses paths that edges read in different ways.
func checkPath(field, path string, c *Config) error {
	if !strings.HasPrefix(path, "/") {
		return tokens.ParamError(tokens.InvalidArgument, field, "%q does not begin with /", tokens.Clip(path))
	}
	if len(path) > MaxPath {
		return tokens.ParamError(tokens.InvalidArgument, field, "%d bytes; at most %d", len(path), MaxPath)
	}
	for i := range len(path) {
		if !isPlain(path[i]) || path[i] == c.FieldDelimiter[0] || path[i] == c.ACLDelimiter[0] {
			return tokens.ParamError(tokens.InvalidArgument, field, "%q holds a character other than letters, digits and %s, or a delimiter, or a * that is not at the end of an acl", tokens.Clip(path), plainMarks)
		}
	}
	if strings.Contains(path, "//") || hasDotSegment(path) {
		return tokens.ParamError(tokens.InvalidArgument, field, "%q is not in normal form: no //, no . or .. between slashes", tokens.Clip(path))
	}
	return nil
}

func hasDotSegment(path string) bool {
	return strings.Contains(path, "/./") || strings.Contains(path, "/../") ||
		strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")
}

// checkValue refuses what cannot stand in a session id or payload. With EscapeEarly all of printable
// ASCII but the six characters that Akamai's libraries escape differently may; without it the text
// goes into a query as it is.
func checkValue(field, value string, most int, c *Config) error {
	if len(value) > most {
		return tokens.ParamError(tokens.InvalidArgument, field, "%d bytes; at most %d", len(value), most)
	}
	for i := range len(value) {
		b := value[i]
		switch {
		case b == c.FieldDelimiter[0]:
			return tokens.ParamError(tokens.InvalidArgument, field, "holds the field delimiter %s", c.FieldDelimiter)
		case c.EscapeEarly && (b < ' ' || b >= 0x7f || strings.IndexByte(disputed, b) >= 0):
			return tokens.ParamError(tokens.InvalidArgument, field, "holds a control or non-ASCII character, a blank or one of ! ( ) * ~, which edges escape in different ways")
		case !c.EscapeEarly && !isPlain(b):
			return tokens.ParamError(tokens.InvalidArgument, field, "may hold letters, digits and %s only, as nothing is escaped", plainMarks)
		}
	}
	return nil
}

const (
	// disputed are the characters that Akamai's four libraries escape differently.
	disputed = " !()*~"
	// plainMarks are the marks that stand in a query and in a cookie as they are, under every reader.
	plainMarks = "- . _ $ , = : @ /"
)

func isPlain(c byte) bool {
	if isAlphanumeric(c) {
		return true
	}
	switch c {
	case '-', '.', '_', '$', ',', '=', ':', '@', '/':
		return true
	default:
		return false
	}
}

// CompatParams is the input of Akamai's libraries. An empty string is absent, as is nil.
type CompatParams struct {
	// ACL holds the one or more ACLs of an ACL token; URLPath the path of a URL token. One is needed.
	ACL     []string
	URLPath string
	// IP, SessionID and Payload go in as they are, or escaped under Config.EscapeEarly.
	IP, SessionID, Payload string
	// StartTime, EndTime and WindowSeconds are Unix seconds and seconds. For the libraries' start_time
	// "now" give the clock's time. EndTime wins over WindowSeconds, which counts from StartTime, or
	// from now.
	StartTime, EndTime, WindowSeconds *int64
}

// Strict turns the libraries' input into that of the strict door: the same token, or a refusal. It
// adds neither MaxLifetime nor URL.
func (p CompatParams) Strict(now time.Time) (Params, error) {
	start, expire, err := p.window(now)
	if err != nil {
		return Params{}, err
	}
	out := Params{ACL: p.ACL, URLPath: p.URLPath, SessionID: p.SessionID, Payload: p.Payload, Expire: time.Unix(expire, 0)}
	if start > 0 {
		out.Start = time.Unix(start, 0)
	}
	if p.IP != "" {
		if out.IP, err = fieldtoken.ParseIP(p.IP); err != nil {
			return Params{}, err
		}
	}
	return out, nil
}

func (p CompatParams) window(now time.Time) (start, expire int64, err *tokens.Error) {
	const name = "window_seconds"
	if p.WindowSeconds != nil && *p.WindowSeconds < 1 {
		return 0, 0, tokens.ParamError(tokens.InvalidArgument, name, "%d is not positive", *p.WindowSeconds)
	}
	return fieldtoken.Window{Start: p.StartTime, End: p.EndTime, Lifetime: p.WindowSeconds}.Resolve(now.Unix(), fieldtoken.MaxSeconds, name)
}
