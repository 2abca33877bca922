package metrics

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// RequestOptions say which metrics of requests there are.
type RequestOptions struct {
	// Measure asks NGINX, as supervisor.Supervisor.Measure does.
	Measure       func(context.Context, traffic.Question) (traffic.Report, error)
	Bounds        traffic.Bounds
	PerHost       bool     // label host
	OnlyNamed     bool     // requests to hosts that nobody names are not counted
	StatusClasses bool     // 2xx in place of 200
	Excluded      []string // metrics that are left out, by names without prefix
	Log           *slog.Logger
}

// mostRequestSeries bounds the series of each metric; what more there is has the labels "others".
const mostRequestSeries = 10000

// collectTimeout is how long reading the metrics may wait for NGINX.
const collectTimeout = 7 * time.Second

// Requests are the metrics of requests and of NGINX's processes. NGINX is asked when somebody reads them. What workers have counted
// is added up here, so that no count falls when workers or NGINX end.
type Requests struct {
	options    RequestOptions
	requests   *prometheus.Desc
	histograms []*prometheus.Desc // nil for those that are left out
	nginx      nginxMetrics
	failed     prometheus.Counter

	mu     sync.Mutex
	counts map[traffic.Labels]*traffic.Counts
	taken  string // the last report
	owners map[cluster.Name]bool
	hosts  map[string]bool // of Ingresses
}

// Requests registers the metrics of requests.
func (m *Metrics) Requests(o RequestOptions) *Requests {
	labels := []string{"status", "method", "path", "namespace", "ingress", "service", "canary"}
	if o.PerHost {
		labels = append(labels, "host")
	}
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		if slices.Contains(o.Excluded, name) {
			return nil
		}
		return prometheus.NewDesc(compat+"_"+name, help, labels, m.identity.labels())
	}
	r := &Requests{
		options: o, requests: describe("requests", "Requests of clients.", labels...), nginx: newNGINXMetrics(describe),
		failed: m.failures.WithLabelValues("measure"), counts: map[traffic.Labels]*traffic.Counts{},
	}
	for _, h := range traffic.Histograms {
		r.histograms = append(r.histograms, describe(h.Name, h.Help, labels...))
	}
	m.Registry.MustRegister(r)
	m.requests = r
	return r
}

// Describe implements prometheus.Collector.
func (r *Requests) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range append(append([]*prometheus.Desc{r.requests}, r.histograms...), r.nginx.all()...) {
		if d != nil {
			descriptions <- d
		}
	}
}

// Collect implements prometheus.Collector. If NGINX cannot be asked, everything is as it was.
func (r *Requests) Collect(metrics chan<- prometheus.Metric) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	report, err := r.options.Measure(ctx, traffic.Question{Taken: r.taken, Bounds: r.options.Bounds})
	if err != nil {
		r.failed.Inc()
		r.options.Log.Warn("metrics of requests are as old as when NGINX was asked last", "error", err)
	} else {
		r.take(report)
		r.nginx.take(report)
	}
	r.nginx.tell(metrics)
	for labels, counts := range r.counts {
		r.tell(metrics, labels, counts)
	}
}

// take adds what is new.
func (r *Requests) take(report traffic.Report) {
	r.taken = report.Name
	for i := range report.Series {
		if s := &report.Series[i]; s.Fit(r.options.Bounds) {
			r.add(s.Labels, &s.Counts)
		}
	}
}

func (r *Requests) add(labels traffic.Labels, counts *traffic.Counts) {
	isNobodys := labels.Host == "_" && labels.Namespace == ""
	if r.isGone(labels) || r.options.OnlyNamed && isNobodys {
		return
	}
	if r.options.StatusClasses && labels.Status != "" {
		labels.Status = labels.Status[:1] + "xx"
	}
	if !r.options.PerHost {
		labels.Host = ""
	}
	all := r.counts[labels]
	if all == nil && len(r.counts) >= mostRequestSeries {
		labels = traffic.Others(labels.Status)
		all = r.counts[labels]
	}
	if all == nil {
		all = traffic.NewCounts(r.options.Bounds)
		r.counts[labels] = all
	}
	all.Add(counts)
}

var otherOwner = cluster.Name{Namespace: traffic.Others("").Namespace, Name: traffic.Others("").Ingress}

// isGone tells whether the Ingress of a series is there no more. Before the first plan nothing is.
func (r *Requests) isGone(labels traffic.Labels) bool {
	owner := cluster.Name{Namespace: labels.Namespace, Name: labels.Ingress}
	return r.owners != nil && labels.Ingress != "" && owner != otherOwner && !r.owners[owner]
}

// planned drops the series of Ingresses and hosts that are gone.
func (r *Requests) planned(p controller.Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.hosts
	r.owners, r.hosts = make(map[cluster.Name]bool, len(p.Claimed)), make(map[string]bool, len(p.Claimed))
	for _, ingress := range slices.Concat(p.Claimed, p.Kept) {
		r.owners[cluster.NameOf(ingress)] = true
		for _, rule := range ingress.Spec.Rules {
			r.hosts[cmp.Or(rule.Host, "_")] = true
		}
	}
	for labels := range r.counts {
		if r.isGone(labels) || r.options.PerHost && before[labels.Host] && !r.hosts[labels.Host] {
			delete(r.counts, labels)
		}
	}
}

// tell tells the metrics of one series.
func (r *Requests) tell(metrics chan<- prometheus.Metric, labels traffic.Labels, counts *traffic.Counts) {
	values := []string{labels.Status, labels.Method, labels.Path, labels.Namespace, labels.Ingress, labels.Service, labels.Canary}
	if r.options.PerHost {
		values = append(values, labels.Host)
	}
	if r.requests != nil {
		metrics <- prometheus.MustNewConstMetric(r.requests, prometheus.CounterValue, counts.Requests, values...)
	}
	for i, d := range r.histograms {
		if d == nil {
			continue
		}
		buckets, total := map[float64]uint64{}, 0.0
		for n, bound := range traffic.Histograms[i].Bounds(r.options.Bounds) {
			total += counts.Buckets[i][n]
			buckets[bound] = uint64(total)
		}
		total += counts.Buckets[i][len(counts.Buckets[i])-1]
		metrics <- prometheus.MustNewConstHistogram(d, uint64(total), counts.Sums[i], buckets, values...)
	}
}

// Excludable turns a list of --exclude-socket-metrics into names without prefix.
func Excludable(names []string) ([]string, error) {
	known := []string{"requests"}
	for _, h := range traffic.Histograms {
		known = append(known, h.Name)
	}
	var list []string
	for _, name := range names {
		name = strings.TrimPrefix(strings.TrimSpace(name), compat+"_")
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no metric %q of requests", name)
		}
		list = append(list, name)
	}
	return list, nil
}
