package obs

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Family is one metric that counts, with all its series. Whoever counts keeps plain atomics, and says what they hold
// when it is asked: nothing is looked up by labels while calls are served.
type Family struct {
	// Name is without "tokensvc_".
	Name, Help string
	// Labels are the names of the labels; each sample has as many values.
	Labels  []string
	Samples []Sample
}

// Sample is one series of a Family.
type Sample struct {
	Labels []string
	// Count is what was counted.
	Count uint64
	// Sum and Buckets make it a histogram: Buckets holds how many of Count were at most the bound, for each bound.
	Sum     float64
	Buckets map[float64]uint64
}

// familyCollector shows families whose names are known only when they are read.
type familyCollector struct{ read func() []Family }

// Describe implements prometheus.Collector. It names nothing, which tells a registry to check what comes.
func (familyCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c familyCollector) Collect(ch chan<- prometheus.Metric) {
	for _, f := range c.read() {
		desc := prometheus.NewDesc("tokensvc_"+f.Name, f.Help, f.Labels, nil)
		for _, s := range f.Samples {
			var m prometheus.Metric
			var err error
			if s.Buckets == nil {
				m, err = prometheus.NewConstMetric(desc, prometheus.CounterValue, float64(s.Count), s.Labels...)
			} else {
				m, err = prometheus.NewConstHistogram(desc, s.Count, s.Sum, s.Buckets, s.Labels...)
			}
			if err != nil {
				m = prometheus.NewInvalidMetric(desc, err)
			}
			ch <- m
		}
	}
}
