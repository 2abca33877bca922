package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/diagnosis"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// gathering reads what a diagnosis looks at besides plans.
type gathering struct {
	*kube
	services map[cluster.Name]bool // that are to be read
}

func (g *gathering) start() diagnosis.Evidence {
	return diagnosis.Evidence{
		Now: time.Now(), Leases: map[cluster.Name]*coordinationv1.Lease{}, Services: map[cluster.Name]*corev1.Service{},
		Slices: map[cluster.Name][]*discoveryv1.EndpointSlice{},
	}
}

// unread notes an error that is not the answer that there is no such object.
func unread(e *diagnosis.Evidence, err error, what string) bool {
	if err != nil && !apierrors.IsNotFound(err) {
		e.Unread = append(e.Unread, diagnosis.Unread{What: what, Err: err})
	}
	return err != nil
}

func (g *gathering) lease(ctx context.Context, e *diagnosis.Evidence, name cluster.Name) {
	if name.Name == "" {
		return
	}
	lease, err := g.api.CoordinationV1().Leases(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	if !unread(e, err, "Lease "+name.String()) {
		e.Leases[name] = lease
	}
}

func (g *gathering) webhooks(ctx context.Context, e *diagnosis.Evidence) {
	list, err := g.api.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(ctx, metav1.ListOptions{})
	if unread(e, err, "ValidatingWebhookConfigurations") {
		return
	}
	e.Webhooks = list.Items
	for _, configuration := range list.Items {
		for _, hook := range configuration.Webhooks {
			if s := hook.ClientConfig.Service; s != nil && diagnosis.IsAboutIngresses(&hook) {
				g.services[cluster.Name{Namespace: s.Namespace, Name: s.Name}] = true
			}
		}
	}
}

func (g *gathering) refusals(ctx context.Context, e *diagnosis.Evidence) {
	selector := fields.OneTermEqualSelector("reason", string(translate.RefusedByNGINX)).String()
	list, err := g.api.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: selector})
	if !unread(e, err, "Events") {
		e.Refusals = list.Items
	}
}

func (g *gathering) readServices(ctx context.Context, e *diagnosis.Evidence) {
	delete(g.services, cluster.Name{})
	for name := range g.services {
		service, err := g.api.CoreV1().Services(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
		if unread(e, err, "Service "+name.String()) {
			continue
		}
		e.Services[name] = service
		slices, err := g.api.DiscoveryV1().EndpointSlices(name.Namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name.Name})
		if unread(e, err, "EndpointSlices of Service "+name.String()) {
			continue
		}
		for i := range slices.Items {
			e.Slices[name] = append(e.Slices[name], &slices.Items[i])
		}
	}
}

// metrics asks all running pods for theirs, through the API server.
func (k *kube) metrics(ctx context.Context, c *controllerSeen) map[string]diagnosis.Metrics {
	all := map[string]diagnosis.Metrics{}
	for _, pod := range k.asked(c) {
		families, err := k.families(ctx, c, pod)
		if err != nil {
			all[pod.Name] = diagnosis.Metrics{Err: err}
			continue
		}
		all[pod.Name] = summary(families)
	}
	return all
}

// families are all metrics of a pod, by name.
func (k *kube) families(ctx context.Context, c *controllerSeen, pod *corev1.Pod) (map[string]*dto.MetricFamily, error) {
	const longest = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	text, err := k.api.CoreV1().RESTClient().Verb(http.MethodGet).Resource("pods").Namespace(pod.Namespace).
		Name(fmt.Sprintf("%s:%d", pod.Name, c.healthPort)).SubResource("proxy").Suffix("metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask pod %s for metrics: %w", pod.Name, err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read the metrics of pod %s: %w", pod.Name, err)
	}
	return families, nil
}

// summary takes what a diagnosis wants to know.
func summary(families map[string]*dto.MetricFamily) diagnosis.Metrics {
	sum := func(name string) float64 {
		total := 0.0
		for _, m := range families[name].GetMetric() {
			total += m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
		return total
	}
	const config = "nginx_ingress_controller_config_last_reload_successful"
	m := diagnosis.Metrics{
		LastGood: sum(config) == 1, Quarantined: int(sum("sluice_quarantined_objects")), Restarts: sum("sluice_nginx_restarts_total"),
		Failures: map[string]float64{},
	}
	if at := sum(config + "_timestamp_seconds"); at > 0 {
		m.LastApplied = time.Unix(int64(at), 0)
	}
	for _, failed := range families["sluice_failures_total"].GetMetric() {
		for _, label := range failed.GetLabel() {
			m.Failures[label.GetValue()] += failed.GetCounter().GetValue()
		}
	}
	return m
}
