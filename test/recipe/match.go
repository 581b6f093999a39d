package recipe

import (
	"regexp"
	"strings"

	"github.com/google/go-cmp/cmp"
)

const (
	anyLines = "..."
	anyText  = "…"
)

// Matches reports whether a command that printed something printed what a document shows.
func Matches(shown, printed string) bool {
	return matchLines(strings.Split(normalise(shown), "\n"), strings.Split(normalise(printed), "\n"))
}

// matchLines compares lines, of which "..." stands for any.
func matchLines(shown, printed []string) bool {
	for len(shown) > 0 {
		if shown[0] == anyLines {
			for skipped := range len(printed) + 1 {
				if matchLines(shown[1:], printed[skipped:]) {
					return true
				}
			}
			return false
		}
		if len(printed) == 0 || !matchLine(shown[0], printed[0]) {
			return false
		}
		shown, printed = shown[1:], printed[1:]
	}
	return len(printed) == 0
}

// matchLine compares a line, of which "…" stands for any text.
func matchLine(shown, printed string) bool {
	parts := strings.Split(shown, anyText)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(printed)
}

// diff shows where both differ.
func diff(shown, printed string) string {
	return cmp.Diff(strings.Split(normalise(shown), "\n"), strings.Split(normalise(printed), "\n"))
}

// normalise replaces what differs from run to run by words.
func normalise(s string) string {
	for _, r := range []struct{ pattern, to string }{
		{`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z`, "TIME"},
		{`\((in )?[0-9hmsµ.]+\)`, "(${1}SPAN)"},
		{`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "UUID"},
		{`eyJ[\w-]+\.[\w-]+\.[\w-]+`, "JWT"},
		{`\b[0-9a-f]{12,}\b`, "HEX"},
		{`\b(exp|ts)=[0-9]+`, "$1=N"},
		{`\b127\.0\.0\.1:[0-9]+`, "127.0.0.1:PORT"},
		{`█+`, "█"},
		{`▒+`, "▒"},
		{`·+`, "·"},
		{`-{2,}`, "--"},
		{`[ \t\x{00a0}]+`, " "},
		{` *\n`, "\n"},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.to)
	}
	return strings.TrimSpace(s)
}
