package config

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/tokensvc/tokensvc/internal/clientaddr"
	"github.com/tokensvc/tokensvc/internal/playback"
	"github.com/tokensvc/tokensvc/internal/schemes"
	"github.com/tokensvc/tokensvc/keystore"
)

// Source is where master keys come from.
type Source uint8

// Sources of master keys, in the order in which they count.
const (
	// FromEnvironment: the variable TOKENSVC_MASTER_KEY.
	FromEnvironment Source = iota + 1
	// FromStdin: the standard input.
	FromStdin
	// FromFile: the file of master_key.file.
	FromFile
)

// Source returns the one source in effect.
func (m MasterKey) Source() Source {
	switch {
	case m.Environment.Len() > 0:
		return FromEnvironment
	case m.Stdin:
		return FromStdin
	default:
		return FromFile
	}
}

// SlogLevel returns the level as slog has it; info for a level that Validate refuses.
func (l Log) SlogLevel() slog.Level {
	switch l.Level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// Timing returns the terms of the life cycle of keys.
func (c Config) Timing() keystore.Timing {
	return keystore.Timing{SnapshotMaxAge: c.SnapshotMaxAge, ClockSkew: c.ClockSkew, RollbackWindow: c.RollbackWindow}
}

// Trusted returns the networks of trusted proxies; Validate has refused what is none.
func (c Config) Trusted() []netip.Prefix {
	trusted, _ := clientaddr.ParseTrusted(c.TrustedProxies) // Validate has parsed them
	return trusted
}

// ToKeystore returns t as the store has it, managed by the file.
func (t Target) ToKeystore() keystore.Target {
	scheme := t.Scheme
	if scheme == "" {
		scheme, _ = schemes.OfProvider(t.Provider) // Validate has refused an unknown provider
	}
	return keystore.Target{
		ID: t.ID, Provider: t.Provider, Scheme: scheme, Account: t.Account, Description: t.Description,
		Options: keystore.SchemeOptions{
			EdgeAuthTokenName: t.EdgeAuth.TokenName, EdgeAuthAlgorithm: t.EdgeAuth.Algorithm, EdgeAuthEscapeEarly: t.EdgeAuth.EscapeEarly,
			AgoraForm: t.Agora.Form,
		},
		MaxTokenLifetime: t.MaxTokenLifetime, Managed: true,
		Resources: slices.Clone(t.Resources),
		Policy: keystore.Policy{
			Every: t.Rotation.Every, Mode: keystore.Mode(t.Rotation.Mode), Window: t.Rotation.Window, SoleOwner: t.Rotation.SoleOwner,
			ProbeURL: t.Rotation.ProbeURL, OnDrift: t.Rotation.OnDrift, OpenOnApply: t.Rotation.OpenOnApply,
		},
	}
}

// ToPlayback returns p as the catalogue has it, managed by the file.
func (p Playback) ToPlayback() playback.Playback {
	out := playback.Playback{
		ID: p.ID, TargetID: p.Target, URL: p.URL, Description: p.Description,
		TTL: p.TTL, ExpiryGranularity: p.ExpiryGranularity, BindIP: p.IPBinding == "exact", Managed: true,
	}
	if p.Alternate != (Alternate{}) {
		out.Alternate = &playback.Alternate{URL: p.Alternate.URL, StreamID: p.Alternate.StreamID}
	}
	if p.Access != nil {
		access := *p.Access
		out.Access = &access
	}
	if p.Sessions.Rule != "" {
		out.Sessions = &playback.Sessions{Max: p.Sessions.Max, Rule: playback.SessionRule(p.Sessions.Rule), HeartbeatTimeout: p.Sessions.HeartbeatTimeout}
	}
	if b := p.Hdnts; b != nil {
		out.Hdnts = &playback.Hdnts{StreamID: b.StreamID, VODStreamID: b.VODStreamID}
	}
	if b := p.EdgeAuth; b != nil {
		out.EdgeAuth = &playback.EdgeAuth{ACL: slices.Clone(b.ACL), URLPath: b.URLPath, Payload: b.Payload}
	}
	if b := p.Qencode; b != nil {
		out.Qencode = &playback.Qencode{URI: b.URI, WholeBucket: b.WholeBucket, ViewerClaim: b.ViewerClaim, Claims: maps.Clone(b.Claims)}
	}
	if p.Agora != nil {
		out.Agora = &playback.Agora{}
	}
	return out
}
