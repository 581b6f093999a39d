package wowza

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/internal/fieldtoken"
)

// MaxID is the greatest length of a stream id or VOD stream id, in bytes.
const MaxID = 128

// Params is what one token is signed for.
type Params struct {
	// StreamID is the second part of the playback URL's path: /1/STREAM_ID/… for live, /2/STREAM_ID/…
	// for VOD. Required; letters, digits, "-" and "_", at most MaxID.
	StreamID string
	// VODStreamID binds the token to one recording. VOD targets only; the same characters.
	VODStreamID string
	// IP binds the token to one client address; the zero Addr does not. An IPv4 address mapped into
	// IPv6 is bound as IPv4. How the edge writes IPv6 addresses is not published.
	IP netip.Addr
	// Start is when the token begins to count, in whole seconds. Optional.
	Start time.Time
	// Expire is the last second in which the token counts. Required, after now and Start.
	Expire time.Time
	// MaxLifetime is the furthest that Expire may lie after now. 0 means tokens.DefaultMaxLifetime.
	MaxLifetime time.Duration
	// URL is the playlist URL to put the token into. Optional.
	URL string
}

// SchemeName implements tokens.Params.
func (Params) SchemeName() string { return Name }

// check applies the strict rules. They hold whatever could end a field or begin another.
func (p *Params) check(now time.Time) error {
	if p.StreamID == "" {
		return tokens.ParamError(tokens.InvalidArgument, "stream_id", "required: the second part of the playback URL's path")
	}
	if !isID(p.StreamID) {
		return idError("stream_id")
	}
	if p.VODStreamID != "" && !isID(p.VODStreamID) {
		return idError("vod_stream_id")
	}
	if err := fieldtoken.CheckIP(p.IP); err != nil {
		return err
	}
	if p.URL != "" {
		if err := fieldtoken.CheckURL(p.URL, QueryName); err != nil {
			return err
		}
	}
	return tokens.CheckWindow(now, p.Start, p.Expire, p.MaxLifetime)
}

func idError(field string) error {
	return tokens.ParamError(tokens.InvalidArgument, field, "only letters, digits, - and _ are allowed, at most %d", MaxID)
}

func isID(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// CompatParams is the input of Wowza's example scripts. An empty string is absent, as is nil.
type CompatParams struct {
	StreamID, VODStreamID, IP string
	// StartTime, EndTime and Lifetime are Unix seconds and seconds. For the scripts' start_time "now"
	// give the clock's time. EndTime wins over Lifetime, which counts from StartTime, or from now.
	StartTime, EndTime, Lifetime *int64
}

// Strict turns the scripts' input into that of the strict door: the same token, or a refusal. It adds
// neither MaxLifetime nor URL.
func (p CompatParams) Strict(now time.Time) (Params, error) {
	start, expire, err := p.window(now)
	if err != nil {
		return Params{}, err
	}
	out := Params{StreamID: p.StreamID, VODStreamID: p.VODStreamID, Expire: time.Unix(expire, 0)}
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
	return fieldtoken.Window{Start: p.StartTime, End: p.EndTime, Lifetime: p.Lifetime}.Resolve(now.Unix(), tokens.MaxUnixSeconds, "lifetime")
}

// compatSecret applies what the scripts and the API agree on: blanks around a secret are accidents
// of copying and go, blanks inside it are a fault.
func compatSecret(secret tokens.Secret) (tokens.Secret, error) {
	const blanks = " \t\r\n\f\v"
	text := strings.Trim(string(secret.Reveal()), blanks)
	if text == "" {
		return tokens.Secret{}, tokens.KeyError("the secret is empty")
	}
	if strings.ContainsAny(text, blanks) {
		return tokens.Secret{}, tokens.KeyError("the secret has a blank inside; a Wowza secret is hex digits only")
	}
	return tokens.NewSecret([]byte(text)), nil
}
