package entitle

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tokensvc/tokensvc/tokens"
)

// Bounds of grants and products.
const (
	maxText      = 128 // bytes of an order id, an idempotency key or an id of the caller's
	maxViewer    = 256 // bytes
	maxPlays     = 1_000_000
	maxAtOnce    = 1_000 // sessions or devices
	maxCountries = 250
	maxNetworks  = 64
)

// CheckGrant refuses a grant that could not count, or not mean what it says. Start is set, States and ids
// are not looked at. Errors wrap tokens.ErrInvalidParams and name the field.
func CheckGrant(g *Grant) error {
	if err := checkText("viewer", g.Viewer, 1, maxViewer); err != nil {
		return err
	}
	switch {
	case g.PlaybackID == "" && g.ProductID == "":
		return invalid("subject", "one of playback_id and product_id is required")
	case g.PlaybackID != "" && g.ProductID != "":
		return invalid("subject", "playback_id and product_id are both set; a grant has one of them")
	}
	if err := checkText("playback_id", g.PlaybackID, 0, maxText); err != nil {
		return err
	}
	if err := checkText("product_id", g.ProductID, 0, maxText); err != nil {
		return err
	}
	if err := checkText("order_id", g.OrderID, 0, maxText); err != nil {
		return err
	}
	if err := checkText("idempotency_key", g.IdempotencyKey, 0, maxText); err != nil {
		return err
	}
	if err := g.checkWindow(); err != nil {
		return err
	}
	return g.Limits.check()
}

// checkWindow leaves a grant that named no start to the store: a call that is repeated after its end is
// answered with what the first has made.
func (g *Grant) checkWindow() error {
	if err := checkMoment("start_time", g.Start); err != nil {
		return err
	}
	if g.End.IsZero() {
		return nil
	}
	if err := checkMoment("end_time", g.End); err != nil {
		return err
	}
	if !g.End.After(g.Start) && !g.Start.Equal(g.CreatedAt) {
		return invalid("end_time", "%s is not after start_time, %s; the two may be swapped", moment(g.End), moment(g.Start))
	}
	return nil
}

func checkMoment(field string, t time.Time) error {
	if s := t.Unix(); s < 0 || s > tokens.MaxUnixSeconds {
		return invalid(field, "%s lies outside 1970 to 2286; a time in milliseconds may have been taken for seconds", moment(t))
	}
	return nil
}

func (l *Limits) check() error {
	for _, limit := range []struct {
		field      string
		value, max int
	}{{"max_plays", l.MaxPlays, maxPlays}, {"max_sessions", l.MaxSessions, maxAtOnce}, {"max_devices", l.MaxDevices, maxAtOnce}} {
		if limit.value < 0 || limit.value > limit.max {
			return invalid("limits."+limit.field, "%d is not from 1 to %d, nor 0 for no limit", limit.value, limit.max)
		}
	}
	if len(l.Countries) > maxCountries || len(l.Networks) > maxNetworks {
		return invalid("limits", "has %d countries and %d networks; at most %d and %d are allowed", len(l.Countries), len(l.Networks), maxCountries, maxNetworks)
	}
	for i, c := range l.Countries {
		if err := checkCountry("limits.countries", c); err != nil {
			return err
		}
		if slices.Contains(l.Countries[:i], c) {
			return invalid("limits.countries", "%s is there twice", c)
		}
	}
	for i, n := range l.Networks {
		if !n.IsValid() || n.Addr().Is4In6() {
			return invalid("limits.networks", "%s is not an IPv4 or IPv6 prefix", n)
		}
		if n != n.Masked() {
			return invalid("limits.networks", "%s has bits behind its length; want %s", n, n.Masked())
		}
		if slices.Contains(l.Networks[:i], n) {
			return invalid("limits.networks", "%s is there twice", n)
		}
	}
	return nil
}

// checkCountry refuses what is no code of ISO 3166-1 alpha-2, by which edges tell countries.
func checkCountry(field, code string) error {
	if len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && strings.Contains(countries, " "+code+" ") {
		return nil
	}
	switch code {
	case "UK":
		return invalid(field, "UK is not an ISO 3166-1 code; the United Kingdom is GB")
	case "EL":
		return invalid(field, "EL is not an ISO 3166-1 code; Greece is GR")
	case "EU":
		return invalid(field, "EU is not a country; name its members")
	default:
		return invalid(field, "%q is not a country as ISO 3166-1 alpha-2 names it, in two capitals", tokens.Clip(code))
	}
}

// countries are the codes that ISO 3166-1 alpha-2 assigns, and XK, which everybody uses for Kosovo.
const countries = " AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ" +
	" CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR" +
	" GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP" +
	" KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT" +
	" MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW" +
	" SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG" +
	" UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "

// ParseNetwork reads an IPv4 or IPv6 prefix, or one address. A prefix with bits behind its length is
// refused: it is a mistake of one digit or of the other.
func ParseNetwork(field, text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, invalid(field, "%q is not an IPv4 or IPv6 prefix like 192.0.2.0/24 or 2001:db8::/32", tokens.Clip(text))
	}
	if p != p.Masked() {
		return netip.Prefix{}, invalid(field, "%s has bits behind its length; want %s", p, p.Masked())
	}
	return p, nil
}

// checkText bounds a text of the caller's and refuses what could not stand in a log line as it is.
func checkText(field, text string, least, most int) error {
	switch {
	case len(text) < least:
		return invalid(field, "is required")
	case len(text) > most:
		return invalid(field, "has %d bytes; at most %d are allowed", len(text), most)
	case !utf8.ValidString(text):
		return invalid(field, "is not UTF-8")
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return invalid(field, "control characters are not allowed")
		}
	}
	return nil
}

func invalid(field, format string, args ...any) error {
	return tokens.ParamError(tokens.InvalidArgument, field, format, args...)
}
