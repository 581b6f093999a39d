package server

import (
	"buf.build/go/protovalidate"
)

// violation says which value would be right, where the validator shows a regular expression or counts to one.
func violation(v *protovalidate.Violation) string {
	switch v.Proto.GetRuleId() {
	case "string.pattern":
		if words := patternWords(v.RuleValue.String()); words != "" {
			return words
		}
	case "string.min_len", "string.min_bytes", "bytes.min_len":
		if v.RuleValue.Uint() == 1 {
			return "is missing"
		}
	}
	return v.Proto.GetMessage()
}

// patternWords puts the patterns of the .proto files into words. A test finds one that is not here.
func patternWords(pattern string) string {
	switch pattern {
	case "^[A-Z]{2}$", "^([A-Z]{2})?$":
		return `want two capital letters of ISO 3166-1 alpha-2, for example "DE"`
	case "^[0-9a-f]{32}$":
		return "want 32 lower-case hex digits, the id of a session; `tokensvc sessions list` shows them"
	case "^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$":
		return `want up to 128 letters, digits, "_" and "-", with a letter or digit in front`
	case "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$":
		return `want up to 63 lower-case letters, digits and "-", with a letter in front and no "-" at the end`
	case "^[a-z][a-z0-9_]{0,63}$":
		return `want up to 64 lower-case letters, digits and "_", with a letter in front`
	case "^([A-Za-z_][A-Za-z0-9_-]{0,31})?$":
		return `want up to 32 letters, digits, "_" and "-", with a letter or "_" in front`
	default:
		return ""
	}
}
