package tokens

import (
	"net/url"
	"strings"
)

// AppendQuery puts query, whose parts stand together (for example "hdnts", "=", "…"), behind rawURL,
// with "&" when the URL has a query already. The text goes in as it is; a token that needs no escaping
// stays byte-exact. A fragment stays last.
func AppendQuery(rawURL string, query ...string) string {
	base, fragment, hasFragment := strings.Cut(rawURL, "#")
	_, present, hasQuery := strings.Cut(base, "?")
	sep := "&"
	switch {
	case !hasQuery:
		sep = "?"
	case present == "", strings.HasSuffix(present, "&"):
		sep = ""
	}
	size := len(rawURL) + len(sep)
	for _, part := range query {
		size += len(part)
	}
	var out strings.Builder
	out.Grow(size)
	out.WriteString(base)
	out.WriteString(sep)
	for _, part := range query {
		out.WriteString(part)
	}
	if hasFragment {
		out.WriteByte('#')
		out.WriteString(fragment)
	}
	return out.String()
}

// FindQuery returns the value of a query parameter as it stands in rawURL, not decoded, and how often
// the parameter is there; the last one where there are several. Its name counts in plain spelling only,
// since tokens are sent as they were signed.
func FindQuery(rawURL, name string) (value string, count int) {
	return FindParameter(queryOf(rawURL), name)
}

// FindParameter is FindQuery for a query that stands alone, without its question mark.
func FindParameter(query, name string) (value string, count int) {
	for pair := range strings.SplitSeq(query, "&") {
		if n, v, _ := strings.Cut(pair, "="); n == name {
			value = v
			count++
		}
	}
	return value, count
}

// CarriesQuery reports whether the query of rawURL has a parameter that any server could read as name:
// percent-encoded, in other case, without a value or behind a semicolon.
func CarriesQuery(rawURL, name string) bool {
	for pair := range strings.FieldsFuncSeq(queryOf(rawURL), func(r rune) bool { return r == '&' || r == ';' }) {
		n, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(n); err == nil {
			n = plain
		}
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// RawPath returns the path of a URL as it stands: between host and query, not decoded.
func RawPath(rawURL string) string {
	base, _, _ := strings.Cut(rawURL, "#")
	base, _, _ = strings.Cut(base, "?")
	_, rest, absolute := strings.Cut(base, "://")
	if !absolute {
		return base
	}
	_, path, found := strings.Cut(rest, "/")
	if !found {
		return ""
	}
	return "/" + path
}

func queryOf(rawURL string) string {
	base, _, _ := strings.Cut(rawURL, "#")
	_, query, _ := strings.Cut(base, "?")
	return query
}
