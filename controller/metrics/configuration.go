package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Engine is how things stand with NGINX.
type Engine struct {
	Generation string // of the configuration that all new workers run, "" before the first
	Old        int    // generations of workers that finish their requests
}

// configuration tells metrics of the configuration that is wanted, and of the one that NGINX runs. NGINX is asked when somebody
// reads them, so that they hold for a data plane that was replaced, too.
type configuration struct {
	hash, isGood, pending, old *prometheus.Desc

	mu      sync.Mutex
	ask     func() Engine // nil: nothing runs
	now     func() time.Time
	wanted  string    // generation of the last plan
	changed time.Time // when wanted became another
	waiting time.Time // since when a change has waited while none became live, as far as is known; zero if none did
	good    bool      // what was tried last became live
}

func newConfiguration(i Identity) *configuration {
	return &configuration{
		hash:    prometheus.NewDesc(compat+"_config_hash", "Hash of the configuration that NGINX runs; 0 if a newer one failed.", nil, i.labels()),
		isGood:  prometheus.NewDesc(compat+"_config_last_reload_successful", "Whether the last configuration was accepted.", nil, i.labels()),
		pending: prometheus.NewDesc(own+"_config_pending_seconds", "How long the newest configuration has not been live; 0 if it is.", nil, nil),
		old:     prometheus.NewDesc(own+"_old_worker_generations", "Generations of old workers that finish their requests.", nil, nil),
		now:     time.Now,
	}
}

// AskEngine says whom to ask how things stand with NGINX. It is called before anybody reads the metrics.
func (m *Metrics) AskEngine(ask func() Engine) { m.configuration.ask = ask }

// planned is told of the configuration that shall run.
func (c *configuration) planned(generation string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation == c.wanted {
		return
	}
	c.wanted, c.changed = generation, c.now()
	if c.waiting.IsZero() {
		c.waiting = c.changed
	}
}

// concluded is told that a configuration became live, or that it failed.
func (c *configuration) concluded(live bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.good = live; live {
		c.waiting = time.Time{}
	}
}

// Describe implements prometheus.Collector.
func (c *configuration) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.hash
	descriptions <- c.isGood
	descriptions <- c.pending
	descriptions <- c.old
}

// Collect implements prometheus.Collector.
func (c *configuration) Collect(metrics chan<- prometheus.Metric) {
	var engine Engine
	if c.ask != nil {
		engine = c.ask()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pending := 0.0
	switch {
	case c.wanted == "": // before the first plan
	case c.wanted == engine.Generation: // if only because what failed is not wanted any more
		c.waiting, c.good = time.Time{}, true
	case !c.waiting.IsZero():
		pending = c.now().Sub(c.waiting).Seconds()
	default:
		pending = c.now().Sub(c.changed).Seconds()
	}
	hash, good := 0.0, 0.0
	if c.good {
		hash, good = number(engine.Generation), 1
	}
	gauge := func(d *prometheus.Desc, value float64) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	gauge(c.hash, hash)
	gauge(c.isGood, good)
	gauge(c.pending, pending)
	gauge(c.old, float64(engine.Old))
}

// number is the first 52 bits of a generation, which a float64 can hold: as a metric that only shows changes, that is enough.
func number(generation string) float64 {
	n, err := strconv.ParseUint(generation[:min(len(generation), 13)], 16, 64)
	if err != nil {
		return 0 // a name that is not a hash, or none
	}
	return float64(n)
}
