package tokenstest

import "strings"

// Nasty returns texts that have broken token formats, or could: delimiters of every format and of
// URLs, JSON and header syntax, control characters, invalid and misleading Unicode, dot segments,
// whole fields to smuggle in, and lengths.
func Nasty() []string {
	out := []string{
		"", " ", "  ", " lead", "trail ", "in side", "\t", "\n", "\r\n", "a\nb", "a\x00b", "\x00", "\x7f", "a\x1bb",
		"~", "=", "&", "?", "#", "%", "!", ",", ";", ":", "|", "*", "/", "\\", "\"", "'", "`", "<", ">", "{", "}", "[", "]", "+", "$", "@", "^", "(", ")",
		"a~b", "a=b", "a&b", "a?b", "a#b", "a%b", "a!b", "a,b", "a;b", "a:b", "a|b", "a*b", "a*", "*", "a?", "a/b", "a//b", "a\\b", "/a", "a/", "//",
		".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "...", ".a",
		"%00", "%7e", "%7E", "%2e%2e/", "%2F", "%25", "%zz", "%", "%0a", "%u002f", "a%26ts=1",
		"\xff", "a\xc0\xafb", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "a\xffb",
		"é", "e\u0301", "\u202e", "\u2028", "\u200b", "\ufeff", "\ufffd", "～", "＝", "／", "\u0000", "🎬", "ａ", "K", "ſ",
		"a~exp=9999999999", "a~hmac=00", "a~st=0", "a~ip=1.2.3.4", "a~acl=/*", "exp=9999999999", "exp=9999999999~a", "a~", "~a", "~~",
		"a&ts=9999999999", "a&sign=00", "?ts=9999999999", "a&hdnts=x", "a&auth=x", "a#?b",
		`","exp":9999999999,"x":"`, `a"}`, `{}`, `[]`, `null`, `true`, `0`, `\u0022`, `\`, `a\`, `\"`,
		"0", "-1", "1", "00", "1e9", "9999999999", "NaN", "1735689600000",
		"127.0.0.1", "127.0.0.1/8", "::1", "::1%eth0", "[::1]", "::ffff:127.0.0.1", "010.0.0.1", "127.1", "0x7f.1", "1.2.3.4,5.6.7.8", "1.2.3.4 ",
		"http://[::1", "https://user:pw@h/a/b.flv", "//h/a", "javascript:alert(1)", "https://", "https://h", "https://h/%2e%2e/a", "https://h/a b", "https://h/a\nb", "https://h/a?auth=x&ts=1&sign=2",
		strings.Repeat("a", 255), strings.Repeat("a", 1025), strings.Repeat("a", 4097), strings.Repeat("a", 1<<16), strings.Repeat("a/", 5000), strings.Repeat("%", 300), strings.Repeat("é", 2000),
	}
	return out
}
