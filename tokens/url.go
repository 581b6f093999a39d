package tokens

import "strings"

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
