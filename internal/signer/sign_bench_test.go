package signer_test

import (
	"testing"
	"time"

	"github.com/tokensvc/tokensvc/internal/signer"
	"github.com/tokensvc/tokensvc/internal/storage/sqlite"
	"github.com/tokensvc/tokensvc/keystore/envelope"
)

// BenchmarkSign signs one playback with an HMAC key: alone, and as all CPUs do at once.
func BenchmarkSign(b *testing.B) {
	store, sealer := open(b, sqlite.Memory), newSealer(b, envelope.GenerateMasterKeys())
	addTarget(b, store, sealer, "event", 0)
	ring := signer.NewKeyring(store, sealer, time.Now, (&lines{}).logger())
	refreshed(b, ring)
	cfg := signer.DefaultConfig(1)
	cfg.Timing.SnapshotMaxAge = time.Hour
	sign := signer.New(ring, cfg, time.Now)
	defer sign.Close()
	p := entry("event")
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := sign.Sign(b.Context(), p, signer.Request{Viewer: "v"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(loop *testing.PB) {
			for loop.Next() {
				if _, err := sign.Sign(b.Context(), p, signer.Request{Viewer: "v"}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
