package tokens

import "strings"

// AppendQuery puts query (for example "hdnts=…") behind rawURL, with "&" when the URL has a query
// already. The text goes in as it is; a token that needs no escaping stays byte-exact. A fragment
// stays last.
func AppendQuery(rawURL, query string) string {
	base, fragment, hasFragment := strings.Cut(rawURL, "#")
	_, present, hasQuery := strings.Cut(base, "?")
	sep := "&"
	switch {
	case !hasQuery:
		sep = "?"
	case present == "", strings.HasSuffix(present, "&"):
		sep = ""
	}
	out := base + sep + query
	if hasFragment {
		out += "#" + fragment
	}
	return out
}
