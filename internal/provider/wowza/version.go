package wowza

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a version of the API, such as "v1.8". Targets on the CDN exist from v1.4 on.
type Version string

// turn is the last version with HMAC and API-key credentials, and the first with JWT.
const turn Version = "v1.8"

// number returns major and minor of a version that this package knows.
func (v Version) number() (major, minor int, err error) {
	left, right, found := strings.Cut(strings.TrimPrefix(string(v), "v"), ".")
	major, bad := strconv.Atoi(left)
	minor, worse := strconv.Atoi(right)
	isKnown := major == 1 && minor >= 4 && minor <= 11 || major == 2 && minor == 0
	if !found || bad != nil || worse != nil || !isKnown || fmt.Sprintf("v%d.%d", major, minor) != string(v) {
		return 0, 0, fmt.Errorf("version %q of the Wowza API: want v1.4 to v1.11, or v2.0", string(v))
	}
	return major, minor, nil
}

// allowsKeys reports whether HMAC and API-key credentials count, allowsJWT whether a JWT does.
func (v Version) allowsKeys() bool {
	major, minor, err := v.number()
	return err == nil && major == 1 && minor <= 8
}

func (v Version) allowsJWT() bool {
	major, minor, err := v.number()
	return err == nil && (major > 1 || minor >= 8)
}

// kind is what the version calls a target on the CDN.
func (v Version) kind() string {
	if major, _, err := v.number(); err == nil && major > 1 {
		return "wowza_cdn"
	}
	return "fastly"
}
