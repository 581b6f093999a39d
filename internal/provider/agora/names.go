package agora

import (
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxDomain = 253 // bytes, as DNS has it
	maxName   = 256 // bytes; Agora documents no bound for names of streams and entry points
)

func appID() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`) }

func domainName() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
}

func entryPointName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`) }

const (
	wantDomain     = "want a domain name in lower case, without wildcards, such as play.example.com"
	wantAuthKey    = "want an authKey of 8 to 128 ASCII letters and digits"
	wantEntryPoint = "want the name of an entry point: 1 to 64 letters, digits, dashes and underscores"
	wantStream     = "want the name of a stream: 1 to 256 bytes of UTF-8 without slashes and control characters"
)

func isDomain(s string) bool { return len(s) <= maxDomain && domainName().MatchString(s) }

func isEntryPoint(s string) bool { return entryPointName().MatchString(s) }

func isStream(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= maxName && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == '/' || r == '\\' || unicode.IsControl(r) })
}

// streamPath returns the path of a stream below its entry point, or what is wrong with a name.
func streamPath(entryPoint, folder, stream string) (path, fault string) {
	switch {
	case !isEntryPoint(entryPoint):
		return "", wantEntryPoint
	case !isStream(stream):
		return "", wantStream
	}
	return "/entry_points/" + entryPoint + folder + "/" + url.PathEscape(stream), ""
}
