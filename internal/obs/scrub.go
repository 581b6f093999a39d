package obs

import (
	"regexp"
	"strings"
)

// scrubbed stands where something was taken out.
const scrubbed = "[SCRUBBED]"

// rule takes the group "keep" over and replaces the rest of a match.
type rule struct {
	hint    string // a match holds this text in lower case; cheap to look for
	pattern *regexp.Regexp
}

// scrubber knows what tokens and keys look like.
type scrubber struct{ rules []rule }

func newScrubber() *scrubber {
	return &scrubber{rules: []rule{
		{"-----begin", regexp.MustCompile(`(?is)()-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)},
		{"eyj", regexp.MustCompile(`()eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){0,2}`)},
		{"hmac", regexp.MustCompile(`(?i)(hmac(?:=|%3d))[0-9a-f]+`)},
		{"sign=", regexp.MustCompile(`(?i)(\bsign=)[^&\s"']+`)},
		{"=", regexp.MustCompile(`(?i)([?&](?:hdnts|hdnea|hdntl|auth|sign|token)=)[^&\s"']+`)},
		{"secret", regexp.MustCompile(`(?i)(secret["']?\s*[:=]\s*["']?)[^\s"',&\[]+`)},
	}}
}

// scrub returns s without tokens and keys. Ordinary text comes back as it is.
func (c *scrubber) scrub(s string) string {
	lower := ""
	for _, r := range c.rules {
		if lower == "" {
			lower = strings.ToLower(s)
		}
		if strings.Contains(lower, r.hint) {
			if out := r.pattern.ReplaceAllString(s, "${1}"+scrubbed); out != s {
				s, lower = out, ""
			}
		}
	}
	return s
}
