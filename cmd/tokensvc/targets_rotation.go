package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/durationpb"

	tokensvcv1 "github.com/tokensvc/tokensvc/gen/tokensvc/v1"
)

// rotationFlags say what a target is at its provider, and when and how its key is rotated.
type rotationFlags struct {
	resources              []string
	every                  time.Duration
	mode, window, probeURL string
	onDrift                string
	soleOwner, openOnApply bool
}

func (f *rotationFlags) bind(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.resources, "resource", nil, "the provider's id of what the key protects; twice for a pair")
	flags.DurationVar(&f.every, "every", 0, "rotate after this time; 0 on command only")
	flags.StringVar(&f.mode, "mode", "", "overlap, cut or pair (default: what the provider allows)")
	flags.StringVar(&f.window, "window", "", "when scheduled rotations may begin, in UTC, as 02:00-04:00")
	flags.BoolVar(&f.soleOwner, "sole-owner", false, "nobody else makes keys: revoke lost ones without asking")
	flags.StringVar(&f.probeURL, "probe-url", "", "playback URL to ask the edge with whether it knows a key")
	flags.StringVar(&f.onDrift, "on-drift", "", "when somebody else sets the secret: alert, adopt or reassert (default alert)")
	flags.BoolVar(&f.openOnApply, "open-on-apply", false, "cut: sign as soon as the provider's API has the secret, at the price of refused tokens")
}

// apply writes the flags that set finds given into t.
func (f *rotationFlags) apply(set func(flag, path string, fn func()), t *tokensvcv1.Target) error {
	mode, err := oneOf("mode", f.mode, modes())
	if err != nil {
		return err
	}
	drift, err := oneOf("on-drift", f.onDrift, driftAnswers())
	if err != nil {
		return err
	}
	policy := func() *tokensvcv1.RotationPolicy {
		if t.Rotation == nil {
			t.Rotation = &tokensvcv1.RotationPolicy{}
		}
		return t.GetRotation()
	}
	set("resource", "resources", func() {
		t.Resources = slices.DeleteFunc(slices.Clone(f.resources), func(r string) bool { return r == "" })
	})
	set("every", "rotation.every", func() {
		if p := policy(); f.every > 0 {
			p.Every = durationpb.New(f.every)
		}
	})
	set("mode", "rotation.mode", func() { policy().Mode = mode })
	set("window", "rotation.window", func() { policy().Window = f.window })
	set("sole-owner", "rotation.sole_owner", func() { policy().SoleOwner = f.soleOwner })
	set("probe-url", "rotation.probe_url", func() { policy().ProbeUrl = f.probeURL })
	set("on-drift", "rotation.on_drift", func() { policy().OnDrift = drift })
	set("open-on-apply", "rotation.open_on_apply", func() { policy().OpenOnApply = f.openOnApply })
	return nil
}

func modes() map[string]tokensvcv1.RotationMode {
	return map[string]tokensvcv1.RotationMode{
		"": tokensvcv1.RotationMode_ROTATION_MODE_UNSPECIFIED, "overlap": tokensvcv1.RotationMode_ROTATION_MODE_OVERLAP,
		"cut": tokensvcv1.RotationMode_ROTATION_MODE_CUT, "pair": tokensvcv1.RotationMode_ROTATION_MODE_PAIR,
	}
}

func driftAnswers() map[string]tokensvcv1.DriftAnswer {
	return map[string]tokensvcv1.DriftAnswer{
		"": tokensvcv1.DriftAnswer_DRIFT_ANSWER_UNSPECIFIED, "alert": tokensvcv1.DriftAnswer_DRIFT_ANSWER_ALERT,
		"adopt": tokensvcv1.DriftAnswer_DRIFT_ANSWER_ADOPT, "reassert": tokensvcv1.DriftAnswer_DRIFT_ANSWER_REASSERT,
	}
}

// oneOf returns what a word of a flag stands for.
func oneOf[T any](flag, word string, all map[string]T) (T, error) {
	value, ok := all[word]
	if !ok {
		words := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(s string) bool { return s == "" })
		return value, usageError("--%s is one of %s, not %q", flag, strings.Join(words, ", "), word)
	}
	return value, nil
}

// describePolicy says a rotation policy on one line.
func describePolicy(p *tokensvcv1.RotationPolicy) string {
	if p == nil {
		return ""
	}
	parts := []string{"on command only"}
	if p.GetEvery() != nil {
		parts[0] = "every " + span(p.GetEvery())
	}
	if p.GetMode() != tokensvcv1.RotationMode_ROTATION_MODE_UNSPECIFIED {
		parts = append(parts, "mode "+label(p.GetMode().String(), "ROTATION_MODE_"))
	}
	if p.GetWindow() != "" {
		parts = append(parts, "within "+p.GetWindow()+" UTC")
	}
	if p.GetProbeUrl() != "" {
		parts = append(parts, "probing "+p.GetProbeUrl())
	}
	if p.GetOnDrift() != tokensvcv1.DriftAnswer_DRIFT_ANSWER_UNSPECIFIED {
		parts = append(parts, "on drift "+label(p.GetOnDrift().String(), "DRIFT_ANSWER_"))
	}
	if p.GetSoleOwner() {
		parts = append(parts, "sole owner")
	}
	if p.GetOpenOnApply() {
		parts = append(parts, "open on apply")
	}
	return strings.Join(parts, ", ")
}
