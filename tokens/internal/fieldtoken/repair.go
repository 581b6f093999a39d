package fieldtoken

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// Repair undoes the usual accidents of copying a token, and says in words what it undid. What it
// returns is for explaining only: an edge takes the text as it comes.
func Repair(text, delimiter string, names ...string) (repaired string, notes []string) {
	repaired = text
	if cut := strings.Trim(repaired, " \t\r\n"); cut != repaired {
		repaired = cut
		notes = append(notes, "it has blanks or a line end around it; remove them")
	}
	if i := strings.LastIndexByte(repaired, '?'); i >= 0 && strings.Contains(repaired[:i], "/") && !strings.Contains(repaired[:i], "exp=") {
		repaired = repaired[i+1:]
		notes = append(notes, "it is a whole URL; give the value of the token parameter alone")
	}
	if lower := strings.ToLower(repaired); !strings.Contains(lower, delimiter+macName+"=") && strings.Contains(lower, "hmac%3d") || strings.Contains(lower, "%7ehmac") {
		if plain, err := url.PathUnescape(repaired); err == nil && utf8.ValidString(plain) {
			repaired = plain
			notes = append(notes, "it is percent-encoded; edges take the text as it is, so = ~ / * must not be encoded")
		}
	}
	repaired = strings.TrimLeft(repaired, "?&")
	for _, name := range names {
		if value, found := strings.CutPrefix(repaired, name+"="); found {
			repaired = value
			notes = append(notes, "the parameter name "+name+"= stands in front; give the value behind it")
			break
		}
	}
	if i := strings.LastIndex(repaired, delimiter+macName+"="); i >= 0 {
		head, mac := repaired[:i+len(delimiter)], repaired[i+len(delimiter):]
		if low := strings.ToLower(mac); low != mac {
			repaired = head + low
			notes = append(notes, "hmac is in upper case; edges compare lower-case text")
		}
	}
	return repaired, notes
}
