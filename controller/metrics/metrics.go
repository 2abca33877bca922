// Package metrics turns what the controller does into Prometheus metrics. It decides nothing.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// Metrics are the controller's metrics. Names that ingress-nginx has are spelled as there.
type Metrics struct {
	Registry *prometheus.Registry

	reloads     *prometheus.CounterVec
	causes      *prometheus.CounterVec
	blamed      map[controller.Cause]bool // label values of causes
	failures    *prometheus.CounterVec
	success     prometheus.Counter
	errors      prometheus.Counter
	lastOKTime  prometheus.Gauge
	testSeconds prometheus.Histogram
	reloadTime  prometheus.Histogram
	pushes      *prometheus.CounterVec
	pushBytes   prometheus.Counter
	pushSeconds prometheus.Histogram
	planSeconds prometheus.Histogram
	problems    *prometheus.GaugeVec
	ingresses   prometheus.Gauge
	quarantined *prometheus.GaugeVec
	restarts    prometheus.Counter
	responders  *prometheus.CounterVec

	configuration *configuration
	objects       *objects
	heard         *prometheus.GaugeVec
	unheard       *prometheus.CounterVec
	leader        *prometheus.GaugeVec
	dropped       func() uint64 // nil if nobody writes Events
	identity      Identity
	requests      *Requests // nil if they are not counted
}

// Identity is the replica whose metrics these are, and the program that runs there, as the labels of ingress-nginx have it.
type Identity struct {
	Namespace, Class, Pod      string
	Release, Build, Repository string
}

func (i Identity) labels() prometheus.Labels {
	return prometheus.Labels{"controller_namespace": i.Namespace, "controller_class": i.Class, "controller_pod": i.Pod}
}

const compat, own = "nginx_ingress_controller", "sluice"

// New registers the metrics in a registry of their own.
func New(identity Identity) *Metrics {
	counter, counters, gauge, gauges := identity.counter, identity.counters, identity.gauge, identity.gauges
	m := &Metrics{
		identity:    identity,
		Registry:    prometheus.NewRegistry(),
		reloads:     counters(own, "reloads_total", "Reloads of NGINX that succeeded, by what caused them.", "cause"),
		causes:      counters(own, "reload_causes_total", "Configurations that were needed because of a field of an object.", "object", "field"),
		blamed:      map[controller.Cause]bool{},
		failures:    counters(own, "failures_total", "Steps that failed: render, test, reload, push.", "step"),
		success:     counter(compat, "success", "Reloads of NGINX that succeeded."),
		errors:      counter(compat, "errors", "Reloads of NGINX that failed."),
		lastOKTime:  gauge(compat, "config_last_reload_successful_timestamp_seconds", "When a configuration was last accepted."),
		testSeconds: histogram("test_duration_seconds", "Duration of nginx -t."),
		reloadTime:  histogram("reload_duration_seconds", "Time from the signal until every new worker reported the configuration."),
		pushes:      counters(own, "pushes_total", "Updates of endpoints and certificates sent to NGINX.", "result"),
		pushBytes:   counter(own, "push_bytes_total", "Bytes of these updates."),
		pushSeconds: histogram("push_duration_seconds", "Duration of these updates."),
		planSeconds: histogram("plan_duration_seconds", "Time from a snapshot to a plan."),
		problems:    gauges(own, "problems", "Problems of users' objects at present.", "reason", "severity"),
		ingresses:   gauge(own, "ingresses", "Ingresses served."),
		quarantined: gauges(own, "quarantined_objects", "Objects that NGINX refused, at present.", "kind"),
		restarts:    counter(own, "nginx_restarts_total", "Times NGINX died and was started again."),
		responders:  counters(own, "ocsp_questions_total", "Questions to OCSP responders about certificates, by how they ended.", "result"),

		configuration: newConfiguration(identity),
		objects:       newObjects(identity),
		heard:         gauges(own, "apiserver_last_contact_timestamp_seconds", "When the API server was heard last, unix time.", "kind"),
		unheard:       counters(own, "apiserver_failures_total", "Requests to the API server that failed.", "kind"),
		leader:        gauges(compat, "leader_election_status", "Whether this replica is the leader.", "name"),
	}
	build := gauges(compat, "build_info", "The program that runs, as labels.", "release", "build", "repository")
	build.WithLabelValues(identity.Release, identity.Build, identity.Repository).Set(1)
	m.Registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.reloads, m.causes, m.failures, m.success, m.errors, m.lastOKTime, m.testSeconds, m.reloadTime, m.pushes, m.pushBytes,
		m.pushSeconds, m.planSeconds, m.problems, m.ingresses, m.quarantined, m.restarts, m.responders,
		build, m.configuration, m.objects, m.heard, m.unheard, m.leader,
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: own, Name: "events_dropped_total", Help: "Events that were not written.",
		}, func() float64 {
			if m.dropped == nil {
				return 0
			}
			return float64(m.dropped())
		}),
	)
	return m
}

// of are the labels of all metrics that ingress-nginx has too.
func (i Identity) of(namespace string) prometheus.Labels {
	if namespace != compat {
		return nil
	}
	return i.labels()
}

func (i Identity) counter(namespace, name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: i.of(namespace)})
}

func (i Identity) counters(namespace, name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: i.of(namespace)}, labels)
}

func (i Identity) gauge(namespace, name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: i.of(namespace)})
}

func (i Identity) gauges(namespace, name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: i.of(namespace)}, labels)
}

func histogram(name, help string) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: own, Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
	})
}

// Planned implements controller.Observer.
func (m *Metrics) Planned(p controller.Plan, took time.Duration) {
	m.planSeconds.Observe(took.Seconds())
	m.ingresses.Set(float64(p.Ingresses))
	m.problems.Reset()
	quarantined := map[string]float64{"Ingress": 0, "ConfigMap": 0}
	for _, problem := range p.Problems {
		m.problems.WithLabelValues(string(problem.Reason), problem.Severity.String()).Inc()
		if problem.Reason == translate.RefusedByNGINX && problem.Object.Name != "" { // each has one such Problem
			quarantined[problem.Object.Kind]++
		}
	}
	for kind, n := range quarantined {
		m.quarantined.WithLabelValues(kind).Set(n)
	}
	m.configuration.planned(p.Files.Generation)
	m.objects.planned(p)
	if m.requests != nil {
		m.requests.planned(p)
	}
}

// Failed implements controller.Observer.
func (m *Metrics) Failed(step string) {
	m.failures.WithLabelValues(step).Inc()
	if step == "test" || step == "reload" {
		m.errors.Inc()
		m.configuration.concluded(false)
	}
}

// mostBlamed bounds the series of causes; what more there is has the object "others".
const mostBlamed = 500

// Reloading is told why NGINX is to read another configuration. It is called by one goroutine.
func (m *Metrics) Reloading(causes []controller.Cause) {
	for _, cause := range causes {
		if !m.blamed[cause] && len(m.blamed) >= mostBlamed {
			cause = controller.Cause{Object: "others"}
		}
		m.blamed[cause] = true
		m.causes.WithLabelValues(cause.Object, cause.Field).Inc()
	}
}

// Tested is told of every nginx -t.
func (m *Metrics) Tested(took time.Duration, _ error) { m.testSeconds.Observe(took.Seconds()) }

// Reloaded is told of every configuration that became live, or failed to.
func (m *Metrics) Reloaded(cause string, took time.Duration, err error) {
	if err != nil {
		return // Failed counts it
	}
	m.reloads.WithLabelValues(cause).Inc()
	m.success.Inc()
	m.configuration.concluded(true)
	m.lastOKTime.SetToCurrentTime()
	m.reloadTime.Observe(took.Seconds())
}

// Pushed is told of every update sent.
func (m *Metrics) Pushed(_, bytes int, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.pushes.WithLabelValues(result).Inc()
	m.pushBytes.Add(float64(bytes))
	m.pushSeconds.Observe(took.Seconds())
}

// Restarted is told when NGINX died and was started again.
func (m *Metrics) Restarted() { m.restarts.Inc() }

// AskedResponder is told how a question to an OCSP responder ended.
func (m *Metrics) AskedResponder(result string) { m.responders.WithLabelValues(result).Inc() }

// APIServer counts how the API server answers. It implements watch.Observer.
type APIServer struct{ metrics *Metrics }

// APIServer returns the part that a cluster's source tells.
func (m *Metrics) APIServer() APIServer { return APIServer{m} }

// Contacted is told of everything that came from the API server, by kind.
func (a APIServer) Contacted(kind string) { a.metrics.heard.WithLabelValues(kind).SetToCurrentTime() }

// Failed is told of every request that failed.
func (a APIServer) Failed(kind string, _ error) { a.metrics.unheard.WithLabelValues(kind).Inc() }

// Leads is told whether this replica leads in an election.
func (m *Metrics) Leads(election string, leads bool) {
	value := 0.0
	if leads {
		value = 1
	}
	m.leader.WithLabelValues(election).Set(value)
	m.objects.follows.Store(!leads)
}

// CountDroppedEvents says whom to ask how many Events were not written. It is called before anybody reads the metrics.
func (m *Metrics) CountDroppedEvents(dropped func() uint64) { m.dropped = dropped }
