package offline_test

import (
	"slices"
	"testing"

	"github.com/tokensvc/tokensvc/internal/schemes"
)

func TestVerifyAcceptsEachVectorAndNoChangedOne(t *testing.T) {
	t.Parallel()
	for scheme, samples := range allSamples(t) {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			door := open(t, scheme, true)
			for _, s := range samples {
				if s.token == "" {
					continue
				}
				line := with(s.edge, entry{"name": s.name, "token": s.token})
				got := verify(t, door, line)[0]
				if got.OK != (s.odd == "") || got.Reason != s.odd || got.Name != s.name {
					t.Fatalf("%s: got %+v, want reason %q", s.name, got, s.odd)
				}
				lines := changed(line)
				if scheme == schemes.QencodeJWT && s.name != "key-2048" {
					lines = every(7, lines) // RSA takes its time
				}
				for i, got := range verify(t, door, lines...) {
					if got.OK || got.Reason == "" || got.Message == "" {
						t.Fatalf("%s: character %d changed: got %+v", s.name, i, got)
					}
				}
			}
		})
	}
}

// changed returns the line with each character of its token changed in turn.
func changed(line entry) []entry {
	var out []entry
	token := []rune(text(line, "token"))
	for i := range token {
		other := slices.Clone(token)
		other[i]++
		out = append(out, with(line, entry{"token": string(other)}))
	}
	return out
}

func every(n int, lines []entry) []entry {
	var out []entry
	for i := 0; i < len(lines); i += n {
		out = append(out, lines[i])
	}
	return out
}

// TestStrictVerifiesWhatStrictSigns goes once round the strict door.
func TestStrictVerifiesWhatStrictSigns(t *testing.T) {
	t.Parallel()
	const century = 100 * 365 * 24 * 3600
	for scheme, samples := range allSamples(t) {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			door, accepted := open(t, scheme, false), 0
			for _, s := range samples {
				signed := sign(t, door, with(s.line, entry{"max_lifetime_seconds": century}))[0]
				if signed.Error != nil {
					continue
				}
				line := with(s.edge, entry{"token": signed.Token})
				if scheme == schemes.QencodeJWT {
					line["private_key"] = s.line["private_key"]
					delete(line, "public_key")
				}
				if got := verify(t, door, line)[0]; !got.OK {
					t.Errorf("%s: %+v", s.name, got)
				}
				accepted++
			}
			if accepted == 0 {
				t.Error("no sample passes the strict door")
			}
		})
	}
}

func TestVerifyAnswersTheQencodeChecks(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{
		"ok": "", "expired": "EXPIRED", "not_yet_valid": "NOT_YET_VALID", "wrong_resource": "PATH_NOT_COVERED", "bad_signature": "BAD_SIGNATURE",
		"bad_alg": "WRONG_ALGORITHM", "no_kid": "UNKNOWN_KEY", "bad_claim": "MALFORMED",
	}
	keys, checked := qencodeKeys(t), 0
	for _, compat := range []bool{false, true} {
		door := open(t, schemes.QencodeJWT, compat)
		for _, e := range load(t, "qencode", "qencode_token_public.json") {
			for _, check := range checksOf(e) {
				want, known := reasons[text(check, "want")]
				if !known {
					t.Fatalf("unknown outcome %q", check["want"])
				}
				if e["id"] == "live-noexp" {
					want = "NO_EXPIRY" // to Qencode it never expires; here no such token is good
				}
				id := text(e, "signing_key_id")
				line := entry{
					"id": e["id"], "key_id": id, "token": e["token"], "url": e["url"],
					"now": check["now"], "resource": check["resource"],
				}
				for _, half := range []string{"private_key", "public_key"} {
					got := verify(t, door, with(line, entry{half: keys[id][half]}))[0]
					if got.Reason != want || got.OK != (want == "") || got.Name != e["id"] {
						t.Errorf("%s with the %s: got %+v, want %q", e["id"], half, got, want)
					}
					checked++
				}
			}
		}
	}
	if checked < 80 {
		t.Errorf("only %d checks", checked)
	}
}

func TestVerifyTakesTheTokenOutOfAURL(t *testing.T) {
	t.Parallel()
	const (
		hdntsToken = "exp=1600003600~hmac=87153096d8fce953a732cf2d64baeca8ee5ad05bf844688c726a61bab9ef7487"
		hdntsURL   = "https://x.wowza.com/1/NUtjdHdsc3g4Z21L/name/hls/live/playlist.m3u8?a=1&hdnts=" + hdntsToken
		aclToken   = "exp=1600000300~acl=/hls/live/*~hmac=a94afabefa93d374e9dfc2b7b5db32dd964bdbacb8dee8afc4aac891d634e83b"
		agoraURL   = "http://domain/live/stream.flv?ts=1634955000&sign=b6ceec4cf7c1bd88e911b72cf39e4715"
	)
	hdnts := entry{"secret": "8a123c7b730600eb92360640ce91a32d", "now": 1600003600}
	edgeAuth := entry{"secret_hex": "aabbccddeeff00112233445566778899", "now": 1600000000}
	agora := entry{"secret": "z2tn3uiny0aasebz", "now": 1634955000}
	cases := []struct {
		name, scheme string
		line         entry
		want         string
	}{
		{"hdnts", schemes.WowzaHdnts, with(hdnts, entry{"url": hdntsURL}), ""},
		{"another stream than the URL's", schemes.WowzaHdnts, with(hdnts, entry{"url": hdntsURL, "stream_id": "other"}), "BAD_SIGNATURE"},
		{"the same token beside it", schemes.WowzaHdnts, with(hdnts, entry{"url": hdntsURL, "token": hdntsToken}), ""},
		{"another token beside it", schemes.WowzaHdnts, with(hdnts, entry{"url": hdntsURL, "token": hdntsToken[:len(hdntsToken)-1] + "8"}), "MALFORMED"},
		{"a good token beside a changed URL", schemes.WowzaHdnts, with(hdnts, entry{"url": hdntsURL + "0", "token": hdntsToken}), "MALFORMED"},
		{"the parameter twice", schemes.WowzaHdnts, with(hdnts, entry{"url": hdntsURL + "&hdnts=" + hdntsToken}), "MALFORMED"},
		{"no parameter", schemes.WowzaHdnts, with(hdnts, entry{"url": "https://x.wowza.com/1/NUtjdHdsc3g4Z21L/name/playlist.m3u8"}), "MALFORMED"},
		{"a URL without token for its path", schemes.WowzaHdnts, with(hdnts, entry{"url": "/1/NUtjdHdsc3g4Z21L/name/playlist.m3u8", "token": hdntsToken}), ""},
		{"neither", schemes.WowzaHdnts, hdnts, "INVALID_ARGUMENT"},
		{"EdgeAuth", schemes.AkamaiEdgeAuth, with(edgeAuth, entry{"url": "https://e.example.com/hls/live/x/1.ts?hdnts=" + aclToken}), ""},
		{"EdgeAuth under another name", schemes.AkamaiEdgeAuth, with(edgeAuth, entry{"url": "https://e.example.com/hls/live/x/1.ts?__token__=" + aclToken, "token_name": "__token__"}), ""},
		{"EdgeAuth for another path", schemes.AkamaiEdgeAuth, with(edgeAuth, entry{"url": "https://e.example.com/hls/vod/1.ts?hdnts=" + aclToken}), "PATH_NOT_COVERED"},
		{"EdgeAuth, encoded dots", schemes.AkamaiEdgeAuth, with(edgeAuth, entry{"url": "https://e.example.com/hls/live/%2e%2e/1.ts?hdnts=" + aclToken}), "PATH_NOT_COVERED"},
		{"EdgeAuth without a path", schemes.AkamaiEdgeAuth, with(edgeAuth, entry{"url": "https://e.example.com?hdnts=" + aclToken}), "PATH_NOT_COVERED"},
		{"Agora", schemes.AgoraTimestamp, with(agora, entry{"url": agoraURL}), ""},
		{"Agora with the token apart", schemes.AgoraTimestamp, with(agora, entry{"url": "http://domain/live/stream.flv", "token": "ts=1634955000&sign=f7c1bd88e911b72c"}), ""},
		{"Agora with both", schemes.AgoraTimestamp, with(agora, entry{"url": agoraURL, "token": "ts=1634955000&sign=b6ceec4cf7c1bd88e911b72cf39e4715"}), ""},
		{"Agora with two that differ", schemes.AgoraTimestamp, with(agora, entry{"url": agoraURL, "token": "ts=1634955000&sign=f7c1bd88e911b72c"}), "MALFORMED"},
		{"Agora without its URL", schemes.AgoraTimestamp, with(agora, entry{"token": "ts=1634955000&sign=f7c1bd88e911b72c"}), "INVALID_ARGUMENT"},
		{"Agora without ts", schemes.AgoraTimestamp, with(agora, entry{"url": "http://domain/live/stream.flv?sign=b6ceec4cf7c1bd88e911b72cf39e4715"}), "NO_EXPIRY"},
		{"Agora with ts twice", schemes.AgoraTimestamp, with(agora, entry{"url": agoraURL + "&ts=1"}), "MALFORMED"},
	}
	for _, c := range cases {
		for _, compat := range []bool{false, true} {
			if got := verify(t, open(t, c.scheme, compat), c.line)[0]; got.Reason != c.want || got.OK != (c.want == "") {
				t.Errorf("%s, compat %t: got %+v, want %q", c.name, compat, got, c.want)
			}
		}
	}
}

// TestVerifyHoldsTimesToLeewayAndCap walks round the expiry of one token of each scheme.
func TestVerifyHoldsTimesToLeewayAndCap(t *testing.T) {
	t.Parallel()
	for scheme, samples := range allSamples(t) {
		var exp int64 = 1735693200
		last := exp // the last second in which the token counts
		find := "exp"
		switch scheme {
		case schemes.QencodeJWT:
			last = exp - 1
			find = "live-basic"
		case schemes.AgoraTimestamp:
			exp, last, find = 1634955000, 1634955000, "doc-step3/md5"
		case schemes.WowzaHdnts:
			exp, last, find = 1578424041, 1578424041, "secret_32_lower"
		case schemes.AkamaiEdgeAuth:
			exp, last, find = 1600003600, 1600003600, "acl_session_id"
		}
		at := slices.IndexFunc(samples, func(s sample) bool { return s.name == find })
		if at < 0 {
			t.Fatalf("no vector %s", find)
		}
		line := with(samples[at].edge, entry{"token": samples[at].token})
		cases := []struct {
			name string
			more entry
			want string
		}{
			{"the last second", entry{"now": last}, ""},
			{"one later", entry{"now": last + 1}, "EXPIRED"},
			{"one later with leeway", entry{"now": last + 1, "leeway_seconds": 1}, ""},
			{"past the leeway", entry{"now": last + 11, "leeway_seconds": 10}, "EXPIRED"},
			{"a leeway of ages", entry{"now": last + 1, "leeway_seconds": 999_999_999_999_999_999}, ""},
			{"the cap", entry{"now": exp - 60, "max_lifetime_seconds": 60}, ""},
			{"over the cap", entry{"now": exp - 61, "max_lifetime_seconds": 60}, "LIFETIME_TOO_LONG"},
			{"the clock is long past it", entry{"now": "now"}, map[bool]string{true: "", false: "EXPIRED"}[exp > clock().Unix()]},
			{"negative now", entry{"now": -1}, "INVALID_ARGUMENT"},
			{"negative leeway", entry{"now": last, "leeway_seconds": -1}, "INVALID_ARGUMENT"},
			{"no cap at all", entry{"now": last, "max_lifetime_seconds": 0}, "INVALID_ARGUMENT"},
		}
		for _, c := range cases {
			if got := verify(t, open(t, scheme, true), with(line, c.more))[0]; got.Reason != c.want {
				t.Errorf("%s: %s: got %+v, want %q", scheme, c.name, got, c.want)
			}
		}
	}
}

// The recording that a token is bound to is checked where the URL shows one.
func TestVerifyComparesTheRecordingOfTheURL(t *testing.T) {
	t.Parallel()
	const now = 1600000000
	key := entry{"secret": "8a123c7b730600eb92360640ce91a32d", "now": now}
	for _, compat := range []bool{false, true} {
		door := open(t, schemes.WowzaHdnts, compat)
		fields := entry{"stream_id": "abc", "vod_stream_id": "VODA", "end_time": now + 60}
		token := sign(t, door, with(key, entry{"fields": fields}))[0].Token
		for path, want := range map[string]string{
			"/2/abc/n/hls/VODA/playlist.m3u8":  "",
			"/2/abc/n/hls/OTHER/playlist.m3u8": "PATH_NOT_COVERED",
			"/1/abc/n/hls/live/playlist.m3u8":  "PATH_NOT_COVERED",
			"/2/abc/playlist.m3u8":             "",
		} {
			got := verify(t, door, with(key, entry{"url": "https://x.wowza.com" + path + "?hdnts=" + token}))[0]
			if got.Reason != want || got.OK != (want == "") {
				t.Errorf("%s, compat %v: got %+v, want %q", path, compat, got, want)
			}
		}
		if got := verify(t, door, with(key, entry{"stream_id": "abc", "token": token}))[0]; !got.OK {
			t.Errorf("without a URL, compat %v: %+v", compat, got)
		}
	}
}
