package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// worker tells what it has counted until it is told that this was taken, as package meter does.
type worker struct {
	told    int
	series  []traffic.Series // that is new
	sent    []traffic.Series // that was told last
	process traffic.Process
	handled float64
	err     error
}

var smallBounds = traffic.Bounds{Times: []float64{1}, Lengths: []float64{100}, Sizes: []float64{1000}}

func (w *worker) measure(_ context.Context, q traffic.Question) (traffic.Report, error) {
	if q.Taken == fmt.Sprint(w.told) {
		w.sent = nil
	}
	w.told++
	w.sent, w.series = append(w.sent, w.series...), nil
	report := traffic.Report{Name: fmt.Sprint(w.told), Series: w.sent, Processes: []traffic.Process{w.process}}
	report.Connections = traffic.Connections{Handled: w.handled, Requests: w.handled}
	return report, w.err
}

// serve counts one request of half a second to a path of an Ingress.
func (w *worker) serve(ingress, path string) {
	w.add(traffic.Labels{Status: "200", Method: "GET", Host: "a.test", Namespace: "shop", Ingress: ingress, Service: "web", Path: path})
}

func (w *worker) add(labels traffic.Labels) {
	w.series = append(w.series, traffic.Series{Labels: labels, Counts: traffic.Counts{
		Requests: 1, Sums: []float64{0.5, 0, 0, 0, 70, 300, 300}, Buckets: [][]float64{{1, 0}, {0, 0}, {0, 0}, {0, 0}, {1, 0}, {0, 1}, {1, 0}},
	}})
}

func measured(w *worker, o RequestOptions) *Metrics {
	m := New(Identity{Namespace: "ingress", Class: "c", Pod: "p"})
	o.Measure, o.Bounds, o.Log = w.measure, smallBounds, slog.New(slog.DiscardHandler)
	m.Requests(o)
	return m
}

// total is the sum of a metric's series, and how many there are.
func total(t *testing.T, m *Metrics, name string) (sum float64, n int) {
	t.Helper()
	for _, value := range series(t, m, "nginx_ingress_controller_"+name) {
		sum, n = sum+value, n+1
	}
	return sum, n
}

// A report counts once, and nothing falls when NGINX cannot be asked.
func TestReportsCountOnce(t *testing.T) {
	w := &worker{}
	m := measured(w, RequestOptions{PerHost: true})
	w.serve("web", "/")
	for step, next := range []struct {
		do   func()
		want float64
	}{
		{func() {}, 1},
		{func() { w.serve("web", "/") }, 2},
		{func() {}, 2},
		{func() { w.err = errors.New("away") }, 2},
		{func() { w.serve("web", "/"); w.err = nil }, 3},
		{func() { w.series = []traffic.Series{{Counts: traffic.Counts{Requests: 1}}} }, 3}, // by other bounds
	} {
		next.do()
		if got, _ := total(t, m, "requests"); got != next.want {
			t.Errorf("after step %d there are %v requests, want %v", step, got, next.want)
		}
	}
}

func TestOnlyNamedHosts(t *testing.T) {
	for _, only := range []bool{true, false} {
		w := &worker{}
		m := measured(w, RequestOptions{PerHost: true, OnlyNamed: only})
		w.add(traffic.Labels{Status: "404", Method: "GET", Host: "_"})
		w.add(traffic.Labels{Status: "200", Method: "GET", Host: "_", Namespace: "shop", Ingress: "all"})
		if sum, _ := total(t, m, "requests"); sum != map[bool]float64{true: 1, false: 2}[only] {
			t.Errorf("only named hosts %v: there are %v requests", only, sum)
		}
	}
}

func TestHistogramsOfRequests(t *testing.T) {
	w := &worker{}
	m := measured(w, RequestOptions{Excluded: []string{"bytes_sent"}})
	w.serve("web", "/")
	w.serve("web", "/")
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range families {
		if h := f.GetMetric()[0].GetHistogram(); h != nil {
			got[f.GetName()] = fmt.Sprint(h.GetSampleCount(), h.GetSampleSum(), h.GetBucket()[0].GetCumulativeCount())
		}
	}
	for name, want := range map[string]string{
		"request_duration_seconds": "2 1 2", "connect_duration_seconds": "0 0 0", "request_size": "2 140 2", "response_size": "2 600 0", "bytes_sent": "",
	} {
		if got := got["nginx_ingress_controller_"+name]; got != want {
			t.Errorf("%s has count, sum and first bucket %s, want %s", name, got, want)
		}
	}
}

// Paths and Ingresses are what tenants choose.
func TestSeriesOfRequestsAreBounded(t *testing.T) {
	w := &worker{}
	m := measured(w, RequestOptions{})
	for n := range mostRequestSeries + 10 {
		w.serve("web", fmt.Sprint("/", n))
	}
	sum, n := total(t, m, "requests")
	if sum != mostRequestSeries+10 || n != mostRequestSeries+1 {
		t.Errorf("there are %v requests in %d series", sum, n)
	}
}

func TestSeriesGoWithTheirIngress(t *testing.T) {
	w := &worker{}
	m := measured(w, RequestOptions{PerHost: true})
	ingress := func(name, host string) *networkingv1.Ingress {
		return &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host}}},
		}
	}
	m.Planned(controller.Plan{Claimed: []*networkingv1.Ingress{ingress("web", "a.test"), ingress("api", "a.test")}}, 0)
	w.serve("web", "/")
	w.serve("api", "/")
	w.serve("foreign", "/")
	if _, n := total(t, m, "requests"); n != 2 {
		t.Errorf("there are %d series of two Ingresses", n)
	}
	m.Planned(controller.Plan{Claimed: []*networkingv1.Ingress{ingress("web", "a.test")}}, 0)
	if _, n := total(t, m, "requests"); n != 1 {
		t.Errorf("there are %d series of one Ingress", n)
	}
	m.Planned(controller.Plan{Claimed: []*networkingv1.Ingress{ingress("web", "b.test")}}, 0)
	if _, n := total(t, m, "requests"); n != 0 {
		t.Errorf("there are %d series of a host that is gone", n)
	}
}

// NGINX may be started anew, and its processes with it; what was counted stays.
func TestCountersOfNGINXNeverFall(t *testing.T) {
	w := &worker{process: traffic.Process{PID: 1, CPU: 5}, handled: 100}
	m := measured(w, RequestOptions{})
	for _, now := range []struct{ handled, cpu, wantHandled, wantCPU float64 }{{100, 5, 100, 5}, {110, 6, 110, 6}, {3, 1, 113, 7}, {4, 2, 114, 8}} {
		if now.handled < w.handled {
			w.process.Start++
		}
		w.handled, w.process.CPU = now.handled, now.cpu
		handled, _ := total(t, m, "nginx_process_connections_total")
		cpu, _ := total(t, m, "nginx_process_cpu_seconds_total")
		if handled != now.wantHandled || cpu != now.wantCPU {
			t.Errorf("%v connections and %v seconds were counted, want %v and %v", handled, cpu, now.wantHandled, now.wantCPU)
		}
	}
}
