package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// rsaKey is a key as Qencode hands it out.
type rsaKey struct{ ID, Private string }

// rsaKeys returns three keys that live as long as the test binary. They are small, to be quick.
var rsaKeys = sync.OnceValue(func() []rsaKey {
	keys := make([]rsaKey, 3)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		block := pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		keys[i] = rsaKey{ID: fmt.Sprintf("ec25a6a6-b31e-4ac9-af01-71146042100%d", i), Private: string(pem.EncodeToMemory(&block))}
	}
	return keys
})

// hexSecret returns a secret of 32 hex digits that only tests use.
func hexSecret(n int) string {
	return fmt.Sprintf("%016x", 0xc0ffee00_00000000+uint64(n)) + "5f3a9b1c77d0e264"
}

// provider is one kind of target with all that a test needs of it.
type provider struct {
	name   string
	target *tokensvcv1.Target
	// playback lacks its id.
	playback *tokensvcv1.Playback
	overlap  bool
	material func(n int) ([]byte, string) // and kid
}

func providers() []provider {
	keys := rsaKeys()
	secret := func(n int) ([]byte, string) { return []byte(hexSecret(n)), "" }
	ttl := durationpb.New(5 * time.Minute)
	return []provider{
		{
			name: "wowza", target: &tokensvcv1.Target{Id: "wowza-live", Provider: "wowza"}, material: secret,
			playback: &tokensvcv1.Playback{
				TargetId: "wowza-live", Url: "https://cdn.example/1/STREAM01/name/hls/live/playlist.m3u8", Ttl: ttl,
				Binding: &tokensvcv1.Playback_Hdnts{Hdnts: &tokensvcv1.Hdnts{StreamId: "STREAM01"}},
			},
		},
		{
			name: "akamai", target: &tokensvcv1.Target{Id: "akamai-vod", Provider: "akamai"}, material: secret, overlap: true,
			playback: &tokensvcv1.Playback{
				TargetId: "akamai-vod", Url: "https://cdn.example/vod/film/playlist.m3u8", Ttl: ttl,
				Binding: &tokensvcv1.Playback_EdgeAuth{EdgeAuth: &tokensvcv1.EdgeAuth{Acl: []string{"/vod/film/*"}}},
			},
		},
		{
			name: "qencode", target: &tokensvcv1.Target{Id: "qencode-live", Provider: "qencode"}, overlap: true,
			material: func(n int) ([]byte, string) { k := keys[n%len(keys)]; return []byte(k.Private), k.ID },
			playback: &tokensvcv1.Playback{
				TargetId: "qencode-live", Url: "https://play.example/b7f2c9e0a1d34e5f.m3u8", Ttl: ttl,
				Binding: &tokensvcv1.Playback_Qencode{Qencode: &tokensvcv1.Qencode{Uri: "b7f2c9e0a1d34e5f"}},
			},
		},
		{
			name: "agora", target: &tokensvcv1.Target{Id: "agora-play", Provider: "agora"}, material: secret,
			playback: &tokensvcv1.Playback{
				TargetId: "agora-play", Url: "https://play.example/live/match/playlist.m3u8", Ttl: ttl,
				Binding: &tokensvcv1.Playback_Agora{Agora: &tokensvcv1.Agora{}},
			},
		},
	}
}
