package qencode_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokensvc/tokensvc/tokens"
	"github.com/tokensvc/tokensvc/tokens/qencode"
	"github.com/tokensvc/tokensvc/tokens/tokenstest"
)

const (
	smallKeyID = "11111111-2222-4333-8444-555555555555" // RSA-2048
	liveKeyID  = "ec25a6a6-b31e-4ac9-af01-711460421c6b" // RSA-4096
	playbackID = "b7f2c9e0a1d34e5f"
)

type testKey struct {
	ID      string `json:"id"`
	Bits    int    `json:"bits"`
	Private string `json:"private_key"`
	Public  string `json:"public_key"`
}

func testKeys(t testing.TB) map[string]testKey {
	t.Helper()
	var list []testKey
	readJSON(t, "testdata/qencode_test_keys.json", &list)
	out := map[string]testKey{}
	for _, k := range list {
		out[k.ID] = k
	}
	return out
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func now() time.Time { return time.Unix(1735689600, 0) }

func prepare(t testing.TB, m tokens.Material) *qencode.Key {
	t.Helper()
	key, err := qencode.Scheme{}.Prepare(m)
	if err != nil {
		t.Fatal(err)
	}
	own, ok := key.(*qencode.Key)
	if !ok {
		t.Fatalf("prepared a %T", key)
	}
	return own
}

func (k testKey) material() tokens.Material {
	return tokens.Material{ID: k.ID, Secret: tokens.NewSecret([]byte(k.Private))}
}

func (k testKey) rsa(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(k.Private))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// secretForms lists the numbers that are secret in an RSA key as printers show them.
func secretForms(key *rsa.PrivateKey) []string {
	var out []string
	for _, n := range append([]*big.Int{key.D, key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv}, key.Primes...) {
		out = append(out, n.String(), n.Text(16), strings.ToUpper(n.Text(16)), n.Text(8), base64.StdEncoding.EncodeToString(n.Bytes()))
	}
	return out
}

func material(id string, secret []byte) tokens.Material {
	return tokens.Material{ID: id, Secret: tokens.NewSecret(secret)}
}

// forge signs header and payload, as they stand, with sign.
func forge(t testing.TB, header, payload string, sign func(signed string) ([]byte, error)) string {
	t.Helper()
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	signature, err := sign(signed)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func claim(name string, value any) qencode.Claims {
	claims, err := qencode.NewClaims(qencode.Claim{Name: name, Value: value})
	if err != nil {
		// What cannot become a claim is refused before there are parameters; this stands for that.
		return qencode.Claims{}
	}
	return claims
}

func TestSuite(t *testing.T) {
	keys := testKeys(t)
	private := keys[smallKeyID].rsa(t)
	presented := func(c tokens.Credential) tokens.Presented {
		return tokens.Presented{Token: c.Token, Resource: playbackID}
	}
	forURI := func(uri string, expire time.Time) tokens.Params {
		return qencode.Params{URI: uri, Expire: expire}
	}
	other := keys[liveKeyID].material()
	other.ID = smallKeyID
	tokenstest.Run(t, tokenstest.Config{
		Scheme:        qencode.Scheme{},
		Material:      keys[smallKeyID].material(),
		OtherMaterial: other,
		SecretForms:   secretForms(private),
		Params:        func(expire time.Time) tokens.Params { return forURI(playbackID, expire) },
		CappedParams: func(expire time.Time, maxLifetime time.Duration) tokens.Params {
			return &qencode.Params{URI: playbackID, Expire: expire, MaxLifetime: maxLifetime}
		},
		StartingParams: func(start, expire time.Time) tokens.Params {
			return qencode.Params{URI: playbackID, NotBefore: start, Expire: expire}
		},
		Presented:       presented,
		ExpiryField:     "payload.exp",
		ExpiryExclusive: true,
		Fields: []tokenstest.Field{
			{
				Name: "uri", Params: forURI, Explained: "payload.uri",
				Presented: func(c tokens.Credential, value string) tokens.Presented {
					return tokens.Presented{Token: c.Token, Resource: value}
				},
			},
			{
				Name: "claim value", Explained: "payload.x",
				Params: func(value string, expire time.Time) tokens.Params {
					claims := claim("x", value)
					if claims == (qencode.Claims{}) {
						return nil
					}
					return qencode.Params{URI: playbackID, Expire: expire, Claims: claims}
				},
			},
			{
				Name: "claim name",
				Params: func(value string, expire time.Time) tokens.Params {
					return qencode.Params{URI: playbackID, Expire: expire, Claims: claim(value, "x")}
				},
			},
			{
				Name: "url",
				Params: func(value string, expire time.Time) tokens.Params {
					return qencode.Params{URI: playbackID, Expire: expire, URL: "https://live.example.com/" + value}
				},
				Presented: func(c tokens.Credential, _ string) tokens.Presented {
					token, err := qencode.Split(c.URL)
					if err != nil {
						token = err.Error()
					}
					return tokens.Presented{Token: token, Resource: playbackID}
				},
			},
		},
		BadMaterials: badMaterials(t, keys[smallKeyID]),
		Refused:      refusals(t, keys),
	})
}

func badMaterials(t *testing.T, sound testKey) []tokenstest.BadMaterial {
	t.Helper()
	private := sound.rsa(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	block := func(kind string, der []byte, headers map[string]string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der, Headers: headers})
	}
	der := x509.MarshalPKCS1PrivateKey(private)
	damaged := append([]byte(nil), der...)
	damaged[len(damaged)/2] ^= 1
	var out []tokenstest.BadMaterial
	for name, secret := range map[string][]byte{
		"1024 bits":                  block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil),
		"1024 bits as PKCS#8":        block("PRIVATE KEY", pkcs8(small), nil),
		"an elliptic curve":          block("PRIVATE KEY", pkcs8(curve), nil),
		"Ed25519":                    pkcs8(edwards),
		"an EC PRIVATE KEY block":    block("EC PRIVATE KEY", der, nil),
		"the public half":            []byte(sound.Public),
		"encrypted, old form":        block("RSA PRIVATE KEY", der, map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}),
		"encrypted, PKCS#8":          block("ENCRYPTED PRIVATE KEY", der, nil),
		"OpenSSH":                    block("OPENSSH PRIVATE KEY", der, nil),
		"an unknown block":           block("SOMETHING", der, nil),
		"a bit changed":              damaged,
		"cut short":                  der[:len(der)-1],
		"PEM cut short":              []byte(sound.Private[:len(sound.Private)/2]),
		"two keys":                   []byte(sound.Private + sound.Private),
		"text behind the key":        []byte(sound.Private + "tail"),
		"text before the key":        []byte("head\n" + sound.Private),
		"a shared secret":            []byte("correct-horse-battery-staple"),
		"escaped line ends":          []byte(strings.ReplaceAll(sound.Private, "\n", `\n`)),
		"PKCS#1 in a PKCS#8 block":   block("PRIVATE KEY", der, nil),
		"PKCS#8 in a PKCS#1 block":   block("RSA PRIVATE KEY", pkcs8(private), nil),
		"something behind the DER":   append(append([]byte(nil), der...), 0),
		"a private key, base64 only": []byte(base64.StdEncoding.EncodeToString(der)),
	} {
		out = append(out, tokenstest.BadMaterial{Name: name, Material: material(sound.ID, secret)})
	}
	for name, id := range map[string]string{
		"no id": "", "a blank in the id": "a b", "a quote in the id": `a"b`, "an id of two lines": "a\nb",
		"an id that is not ASCII": "ключ", "a long id": strings.Repeat("a", 129),
	} {
		out = append(out, tokenstest.BadMaterial{Name: name, Material: material(id, []byte(sound.Private))})
	}
	return out
}

// refusals lists what an edge must never let in, signed well or badly.
func refusals(t *testing.T, keys map[string]testKey) []tokenstest.Refused {
	t.Helper()
	private, public := keys[smallKeyID].rsa(t), []byte(keys[smallKeyID].Public)
	rs256 := func(signed string) ([]byte, error) { return qencode.RS256{}.Sign(signed, private) }
	by := func(method jwt.SigningMethod, key any) func(string) ([]byte, error) {
		return func(signed string) ([]byte, error) { return method.Sign(signed, key) }
	}
	none := func(string) ([]byte, error) { return nil, nil }
	const kid = `"kid":"` + smallKeyID + `"`
	const header = `{"alg":"RS256","typ":"JWT",` + kid + `}`
	const payload = `{"uri":"` + playbackID + `","exp":1735693200}`

	var out []tokenstest.Refused
	add := func(name, header, payload string, sign func(string) ([]byte, error), want tokens.Reason) {
		token := forge(t, header, payload, sign)
		out = append(out, tokenstest.Refused{
			Name: name, Want: want,
			Presented: func(tokens.Credential) tokens.Presented {
				return tokens.Presented{Token: token, Resource: playbackID}
			},
		})
	}
	add("HS256 with the public PEM as the secret", `{"alg":"HS256","typ":"JWT",`+kid+`}`, payload, by(jwt.SigningMethodHS256, public), tokens.WrongAlgorithm)
	add("HS256 with the private PEM as the secret", `{"alg":"HS256","typ":"JWT",`+kid+`}`, payload, by(jwt.SigningMethodHS256, []byte(keys[smallKeyID].Private)), tokens.WrongAlgorithm)
	add("HMAC that claims to be RS256", header, payload, by(jwt.SigningMethodHS256, public), tokens.BadSignature)
	add("the long name of HS256", `{"alg":"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256","typ":"JWT",`+kid+`}`, payload, by(jwt.SigningMethodHS256, public), tokens.WrongAlgorithm)
	for _, alg := range []string{"none", "None", "nOnE", "NONE"} {
		add("alg "+alg, `{"alg":"`+alg+`","typ":"JWT",`+kid+`}`, payload, none, tokens.WrongAlgorithm)
	}
	add("alg none with a signature", `{"alg":"none","typ":"JWT",`+kid+`}`, payload, rs256, tokens.WrongAlgorithm)
	add("PS256", `{"alg":"PS256","typ":"JWT",`+kid+`}`, payload, by(jwt.SigningMethodPS256, private), tokens.WrongAlgorithm)
	add("RS512", `{"alg":"RS512","typ":"JWT",`+kid+`}`, payload, by(jwt.SigningMethodRS512, private), tokens.WrongAlgorithm)
	add("alg in small letters", `{"alg":"rs256","typ":"JWT",`+kid+`}`, payload, rs256, tokens.WrongAlgorithm)
	add("PSS that claims to be RS256", header, payload, by(jwt.SigningMethodPS256, private), tokens.BadSignature)
	add("no signature", header, payload, none, tokens.BadSignature)
	add("a signature of zeros", header, payload, func(string) ([]byte, error) { return make([]byte, 256), nil }, tokens.BadSignature)
	add("no alg", `{"typ":"JWT",`+kid+`}`, payload, rs256, tokens.Malformed)
	add("alg a number", `{"alg":256,`+kid+`}`, payload, rs256, tokens.Malformed)
	add("alg twice", `{"alg":"RS256","alg":"none",`+kid+`}`, payload, rs256, tokens.Malformed)
	add("another typ", `{"alg":"RS256","typ":"JWE",`+kid+`}`, payload, rs256, tokens.Malformed)
	add("extensions", `{"alg":"RS256","typ":"JWT",`+kid+`,"crit":["b64"],"b64":false}`, payload, rs256, tokens.Malformed)
	add("a header that is a list", `["RS256"]`, payload, rs256, tokens.Malformed)

	add("no kid", `{"alg":"RS256","typ":"JWT"}`, payload, rs256, tokens.UnknownKey)
	add("another kid", `{"alg":"RS256","typ":"JWT","kid":"`+liveKeyID+`"}`, payload, rs256, tokens.UnknownKey)
	add("an empty kid", `{"alg":"RS256","typ":"JWT","kid":""}`, payload, rs256, tokens.UnknownKey)
	add("kid a number", `{"alg":"RS256","typ":"JWT","kid":1}`, payload, rs256, tokens.Malformed)
	add("kid twice", `{"alg":"RS256",`+kid+`,`+kid+`}`, payload, rs256, tokens.Malformed)

	add("no exp", header, `{"uri":"`+playbackID+`"}`, rs256, tokens.NoExpiry)
	for name, exp := range map[string]string{
		"a string": `"1735693200"`, "a fraction": `1735693200.0`, "a power of ten": `1.7e9`, "null": `null`, "a list": `[1735693200]`, "true": `true`,
		"milliseconds": `1735693200000`, "too large for 64 bits": `99999999999999999999`,
	} {
		add("exp "+name, header, `{"uri":"`+playbackID+`","exp":`+exp+`}`, rs256, tokens.Malformed)
	}
	add("exp zero", header, `{"uri":"`+playbackID+`","exp":0}`, rs256, tokens.Expired)
	add("exp negative", header, `{"uri":"`+playbackID+`","exp":-9223372036854775808}`, rs256, tokens.Expired)
	add("exp twice", header, `{"uri":"`+playbackID+`","exp":1,"exp":1735693200}`, rs256, tokens.Malformed)
	add("exp under an escaped name as well", header, `{"uri":"`+playbackID+`","exp":1735693200,"\u0065xp":9999999999}`, rs256, tokens.Malformed)
	add("exp in capitals only", header, `{"uri":"`+playbackID+`","EXP":1735693200}`, rs256, tokens.NoExpiry)
	add("nbf a string", header, `{"uri":"`+playbackID+`","exp":1735693200,"nbf":"1"}`, rs256, tokens.Malformed)
	add("nbf in milliseconds", header, `{"uri":"`+playbackID+`","exp":1735693200,"nbf":1735689600000}`, rs256, tokens.Malformed)

	add("no uri", header, `{"exp":1735693200}`, rs256, tokens.Malformed)
	add("uri null", header, `{"uri":null,"exp":1735693200}`, rs256, tokens.Malformed)
	add("uri a list", header, `{"uri":["`+playbackID+`"],"exp":1735693200}`, rs256, tokens.Malformed)
	add("uri twice", header, `{"uri":"x","exp":1735693200,"uri":"`+playbackID+`"}`, rs256, tokens.Malformed)
	add("uri of another stream", header, `{"uri":"other","exp":1735693200}`, rs256, tokens.PathNotCovered)
	add("uri that only begins like the stream's", header, `{"uri":"b7f2","exp":1735693200}`, rs256, tokens.PathNotCovered)
	add("payload not JSON", header, `uri`, rs256, tokens.Malformed)
	add("two payloads", header, payload+payload, rs256, tokens.Malformed)
	add("payload not UTF-8", header, "{\"uri\":\"\xff\",\"exp\":1735693200}", rs256, tokens.Malformed)
	add("a lone surrogate", header, `{"uri":"\ud800","exp":1735693200}`, rs256, tokens.Malformed)
	add("payload nested without end", header, `{"uri":"`+playbackID+`","exp":1735693200,"x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}`, rs256, tokens.Malformed)

	sound := forge(t, header, payload, rs256)
	reshaped := func(name, token string) {
		out = append(out, tokenstest.Refused{
			Name: name, Want: tokens.Malformed,
			Presented: func(tokens.Credential) tokens.Presented {
				return tokens.Presented{Token: token, Resource: playbackID}
			},
		})
	}
	reshaped("padding", sound+"==")
	reshaped("four parts", sound+".")
	reshaped("two parts", sound[:strings.LastIndexByte(sound, '.')])
	reshaped("a line feed inside", sound[:len(sound)-4]+"\n"+sound[len(sound)-4:])
	reshaped("loose bits at the end", sound[:len(sound)-1]+string(sound[len(sound)-1]+1))
	out = append(out, tokenstest.Refused{
		Name: "another stream", Want: tokens.PathNotCovered,
		Presented: func(c tokens.Credential) tokens.Presented {
			return tokens.Presented{Token: c.Token, Resource: "other"}
		},
	})
	return out
}
