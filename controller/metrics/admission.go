package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-ingress/sluice/controller/admission"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// Admission counts what the admission webhook does. It is what the webhook tells.
type Admission struct {
	reviews *prometheus.CounterVec
	seconds prometheus.Histogram

	passed, refused *prometheus.CounterVec
	tested          prometheus.Gauge
	rendered        prometheus.Gauge
	testSeconds     prometheus.Gauge
	renderSeconds   prometheus.Gauge
	bytes           prometheus.Gauge
	roundTrip       prometheus.Gauge

	mu    sync.Mutex
	named map[cluster.Name]bool // Ingresses that have series
}

// mostReviewed bounds the series of Ingresses. Whoever can reach the webhook can make up names.
const mostReviewed = 5000

// Admission registers the metrics of the webhook, which there are only with it, as in ingress-nginx.
func (m *Metrics) Admission() *Admission {
	counters, gauge := m.identity.counters, m.identity.gauge
	a := &Admission{
		reviews:       counters(own, "admission_reviews_total", "Reviews of the admission webhook, by what became of them.", "result"),
		seconds:       histogram("admission_duration_seconds", "Time from a review to its answer."),
		passed:        counters(compat, "check_success", "Reviews that allowed an Ingress.", "namespace", "ingress"),
		refused:       counters(compat, "check_errors", "Reviews that refused an Ingress.", "namespace", "ingress"),
		tested:        gauge(compat, "admission_tested_ingresses", "Ingresses that the last review looked at."),
		rendered:      gauge(compat, "admission_render_ingresses", "Ingresses that the last review made a configuration of."),
		testSeconds:   gauge(compat, "admission_tested_duration", "Seconds that the last review took to judge."),
		renderSeconds: gauge(compat, "admission_render_duration", "Seconds that the last review took to make a configuration."),
		bytes:         gauge(compat, "admission_config_size", "Bytes of the configuration that the last review made."),
		roundTrip:     gauge(compat, "admission_roundtrip_duration", "Seconds from the last review to its answer."),
		named:         map[cluster.Name]bool{},
	}
	m.Registry.MustRegister(a.reviews, a.seconds, a.passed, a.refused, a.tested, a.rendered, a.testSeconds, a.renderSeconds, a.bytes, a.roundTrip)
	return a
}

// Reviewed is told of each review: what became of it, what was judged, and how long that and all of it took.
func (a *Admission) Reviewed(ingress cluster.Name, result string, v admission.Verdict, planning, took time.Duration) {
	a.reviews.WithLabelValues(result).Inc()
	a.seconds.Observe(took.Seconds())
	if !v.Claimed {
		return
	}
	checked := a.passed
	if len(v.Refusals) > 0 {
		checked = a.refused
	}
	ingress = a.series(ingress)
	checked.WithLabelValues(ingress.Namespace, ingress.Name).Inc()
	a.tested.Set(float64(v.Ingresses))
	a.rendered.Set(float64(v.Ingresses))
	a.testSeconds.Set(planning.Seconds())
	a.renderSeconds.Set(planning.Seconds())
	a.bytes.Set(float64(v.Bytes))
	a.roundTrip.Set(took.Seconds())
}

// series is whose series count for an Ingress.
func (a *Admission) series(ingress cluster.Name) cluster.Name {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.named[ingress] && len(a.named) >= mostReviewed {
		return cluster.Name{Name: "others"}
	}
	a.named[ingress] = true
	return ingress
}
