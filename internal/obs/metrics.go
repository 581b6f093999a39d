package obs

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of a scrape. Targets beyond maxTargetSeries, in order of id, have no series of their own.
const (
	maxTargetSeries = 1000
	scrapeTime      = 5 * time.Second
)

// State is what a scrape shows. It is read anew each time, so that signing costs nothing more.
type State struct {
	// Signing is nil in a process that signs nothing.
	Signing *SigningState
	Targets []TargetState
	// Steps counts what this process has carried out, by action, and Failures what failed, by class.
	Steps, Failures map[string]uint64
}

// SigningState is how signing stands.
type SigningState struct {
	// SnapshotAge is how long ago the keys in memory were compared with the store.
	SnapshotAge time.Duration
	// QueuedSignatures and QueuedChecks are RSA signatures and verifications that run or wait.
	QueuedSignatures, QueuedChecks int
}

// TargetState is how one target's key stands.
type TargetState struct {
	Target, Provider string
	// Step is that of the open operation; empty without one.
	Step string
	// Signs means that a key is active; KeyAge is how long it has been.
	Signs  bool
	KeyAge time.Duration
	// Overdue is how long ago a rotation should have begun, and Blackout for how long nobody has signed because of
	// one.
	Overdue, Blackout time.Duration
	// Orphans are keys in quarantine.
	Orphans int
	// Alarm means that a person has to look.
	Alarm bool
}

// NewMetrics returns a handler that shows what read and count return in the formats of Prometheus. Nothing
// process-wide is registered. A scrape whose state cannot be read is answered with 500, and logged.
func NewMetrics(read func(context.Context) (State, error), count func() []Family, log *slog.Logger) http.Handler {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newStateCollector(read), familyCollector{count})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 2})
}

type stateCollector struct {
	read                                              func(context.Context) (State, error)
	build, snapshotAge, queued, targets               *prometheus.Desc
	step, keyAge, overdue, blackout, orphans, alarmed *prometheus.Desc
	steps, failures                                   *prometheus.Desc
}

func newStateCollector(read func(context.Context) (State, error)) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("tokensvc_"+name, help, labels, nil)
	}
	return &stateCollector{
		read:        read,
		build:       desc("build_info", "Which program this is; always 1.", "version", "revision", "go"),
		snapshotAge: desc("snapshot_age_seconds", "How long ago the keys in memory were compared with the store; over snapshot_max_age nothing is signed."),
		queued:      desc("rsa_queue_depth", "RSA signatures and checks of signatures that run or wait.", "work"),
		targets:     desc("targets", "Targets there are; those past the thousandth have no series of their own."),
		step:        desc("rotation_step", "Open operations, by the step they stand at.", "provider", "step"),
		keyAge:      desc("key_age_seconds", "How long the active key has been in use.", "target"),
		overdue:     desc("key_overdue_seconds", "How long ago a rotation should have begun; 0 when none is due.", "target"),
		blackout:    desc("rotation_blackout_seconds", "For how long nobody has signed for the target because of a cut; 0 while signing is open.", "target"),
		orphans:     desc("rotation_orphan_keys", "Keys at the provider that nobody holds, in quarantine.", "target"),
		alarmed:     desc("rotation_alarm", "1 when a person has to look at the target's operation.", "target"),
		steps:       desc("rotation_steps_total", "Steps of rotation that this process has carried out.", "action"),
		failures:    desc("rotation_failures_total", "Steps of rotation that failed in this process.", "class"),
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.build, c.snapshotAge, c.queued, c.targets, c.step, c.keyAge, c.overdue, c.blackout, c.orphans, c.alarmed, c.steps, c.failures,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	state, err := c.read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.targets, err)
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	build := Version()
	gauge(c.build, 1, build.Version, build.Revision, build.Go)
	if s := state.Signing; s != nil {
		gauge(c.snapshotAge, s.SnapshotAge.Seconds())
		gauge(c.queued, float64(s.QueuedSignatures), "sign")
		gauge(c.queued, float64(s.QueuedChecks), "check")
	}
	for action, n := range state.Steps {
		ch <- prometheus.MustNewConstMetric(c.steps, prometheus.CounterValue, float64(n), action)
	}
	for class, n := range state.Failures {
		ch <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(n), class)
	}
	c.collectTargets(gauge, state.Targets)
}

func (c *stateCollector) collectTargets(gauge func(*prometheus.Desc, float64, ...string), targets []TargetState) {
	type place struct{ provider, step string }
	steps := map[place]int{}
	for i := range targets {
		if targets[i].Step != "" {
			steps[place{targets[i].Provider, targets[i].Step}]++
		}
	}
	for at, n := range steps {
		gauge(c.step, float64(n), at.provider, at.step)
	}
	gauge(c.targets, float64(len(targets)))
	shown := slices.SortedFunc(slices.Values(targets), func(a, b TargetState) int { return cmp.Compare(a.Target, b.Target) })
	for _, t := range shown[:min(len(shown), maxTargetSeries)] {
		if t.Signs {
			gauge(c.keyAge, t.KeyAge.Seconds(), t.Target)
		}
		gauge(c.overdue, t.Overdue.Seconds(), t.Target)
		gauge(c.blackout, t.Blackout.Seconds(), t.Target)
		gauge(c.orphans, float64(t.Orphans), t.Target)
		alarm := 0.0
		if t.Alarm {
			alarm = 1
		}
		gauge(c.alarmed, alarm, t.Target)
	}
}
