package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/bench/apiserver"
	"github.com/sluice-ingress/sluice/bench/load"
	"github.com/sluice-ingress/sluice/bench/report"
	"github.com/sluice-ingress/sluice/bench/server"
)

// family is a family of annotations.
type family struct {
	name    string
	feature server.Feature
	http2   bool // over TLS; else HTTP/1.1 without
	session bool // requests have the cookie that the first answer sets
}

// namespace is that of the one Ingress of these rows.
const namespace = "team-0"

// families are those that do something for each request. What their users choose is what most choose, and lets all requests pass.
var families = []family{
	{name: "rewrite", feature: annotated(rewritten, "use-regex", "true", "rewrite-target", "/$2")},
	{name: "canary", feature: server.Feature{Objects: []apiserver.Object{canary()}}},
	{name: "affinity-cookie", feature: annotated(oneService, "affinity", "cookie"), session: true},
	{name: "ewma", feature: annotated(nil, "load-balance", "ewma")},
	{name: "hash", feature: annotated(nil, "upstream-hash-by", "$request_uri")},
	{name: "auth-basic", feature: basic()},
	{name: "auth-url", feature: annotated(nil, "auth-url", "http://"+server.Gate+":"+strconv.Itoa(server.PodPort)+"/")},
	{name: "limit-rps", feature: annotated(nil, "limit-rps", "1000000")},
	{name: "allowlist", feature: annotated(nil, "whitelist-source-range", "10.0.0.0/8,127.0.0.0/8")},
	{name: "cors", feature: cors()},
	{name: "custom-headers", feature: customHeaders()},
	// wrk says no server name, which is refused here, and neither program has a certificate, so clients may do without.
	{name: "tls-client-auth", feature: annotated(nil, "auth-tls-secret", namespace+"/wildcard", "auth-tls-verify-client", "optional"), http2: true},
	{name: "waf", feature: server.Feature{Settings: map[string]string{
		"enable-modsecurity": "true", "enable-owasp-modsecurity-crs": "true", "modsecurity-snippet": "SecRuleEngine On",
	}}},
	{name: "tracing", feature: server.Feature{Settings: map[string]string{
		"enable-opentelemetry": "true", "otlp-collector-host": "127.0.0.1", "otlp-collector-port": strconv.Itoa(server.CollectorPort),
	}}},
}

// annotated is a feature of annotations, each with its value, and of what else changes in the Ingress; nil for nothing.
func annotated(change func(*networkingv1.Ingress), pairs ...string) server.Feature {
	return server.Feature{Ingress: func(ingress *networkingv1.Ingress) {
		ingress.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			ingress.Annotations["nginx.ingress.kubernetes.io/"+pairs[i]] = pairs[i+1]
		}
		if change != nil {
			change(ingress)
		}
	}}
}

// basic asks for a password, hashed as htpasswd does by default.
func basic() server.Feature {
	f := annotated(nil, "auth-type", "basic", "auth-secret", "users")
	f.Objects = []apiserver.Object{&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "users"},
		Data:       map[string][]byte{"auth": []byte("bench:$apr1$benchbch$4GunZbuNdts7HM3.d1K180")}, // secret
	}}
	f.Headers = []string{"Authorization: Basic YmVuY2g6c2VjcmV0"}
	return f
}

func cors() server.Feature {
	f := annotated(nil, "enable-cors", "true")
	f.Headers = []string{"Origin: https://shop.example.com"}
	return f
}

func customHeaders() server.Feature {
	f := annotated(nil, "custom-headers", namespace+"/headers")
	f.Settings = map[string]string{"global-allowed-response-headers": "X-One,X-Two"}
	f.Objects = []apiserver.Object{&corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "headers"}, Data: map[string]string{"X-One": "1", "X-Two": "2"},
	}}
	return f
}

// rewritten gives paths the groups that rewrite-target needs.
func rewritten(ingress *networkingv1.Ingress) {
	paths, kind := ingress.Spec.Rules[0].HTTP.Paths, networkingv1.PathTypeImplementationSpecific
	for i, path := range []string{"/()(.*)", "/api(/|$)(.*)"} {
		paths[i].Path, paths[i].PathType = path, &kind
	}
}

// oneService sends all to one Service, so that one cookie is good everywhere.
func oneService(ingress *networkingv1.Ingress) {
	paths := ingress.Spec.Rules[0].HTTP.Paths
	for i := range paths {
		paths[i].Backend = paths[0].Backend
	}
}

// canary takes half of the requests for one of both paths to the Service of the other.
func canary() *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	return &networkingv1.Ingress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "canary", Generation: 1, Annotations: map[string]string{
			"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "50",
		}},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: server.Host(0), IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
					Name: "api-0", Port: networkingv1.ServiceBackendPort{Number: 80},
				}},
			}}}},
		}}},
	}
}

// familyRows are a row for each family.
func familyRows() []row {
	var list []row
	for _, f := range families {
		list = append(list, row{"families/" + f.name, []int{1}, f.measure})
	}
	return list
}

// measure compares Sluice with the family to Sluice without, in the first of the modes: both get the same load, in short rounds in
// turns.
func (f family) measure(ctx context.Context, b *bench, size int) error {
	kind, err := b.sluice()
	if err != nil {
		return err
	}
	without, err := b.startAt(ctx, ports, kind, size, b.cpus.server, server.Feature{})
	if err != nil {
		return err
	}
	defer without.Stop()
	with, err := b.startAt(ctx, ports+10, kind, size, b.cpus.server, f.feature)
	if err != nil {
		return err
	}
	defer with.Stop()
	style := load.Style{TLS: f.http2, HTTP2: f.http2, Headers: f.feature.Headers}
	if f.session {
		cookie, err := server.Session(ctx, ports+10, 0)
		if err != nil {
			return err
		}
		style.Headers = append(style.Headers, "Cookie: "+cookie)
	}
	rate := b.report.Result(report.Result{Row: "with " + f.name, Ingresses: size, Quantity: "throughput", Unit: "requests/s", Paired: true})
	cost := b.report.Result(report.Result{Row: "with " + f.name, Ingresses: size, Quantity: "processor time", Unit: "µs/request", Paired: true})
	generator := load.Generator{Dir: filepath.Join(b.dir, "load"), CPUs: b.cpus.load}
	for round := range b.turns + 1 { // the first is to warm up
		for i := range 2 {
			s, port, addRate, addCost := without, ports, rate.AddWithout, cost.AddWithout
			if (round+i)%2 == 1 {
				s, port, addRate, addCost = with, ports+10, rate.Add, cost.Add
			}
			before := server.CPU(s.Processes())
			sent, err := generator.Send(ctx, load.Target{Port: port, Hosts: size}, style, b.turn)
			if err != nil {
				return err
			}
			used := server.CPU(s.Processes()) - before
			if round == 0 {
				continue
			}
			addRate(kind.Name, sent.Rate())
			addCost(kind.Name, float64(used)/float64(time.Microsecond)/float64(sent.Requests))
		}
	}
	return nil
}

// sluice is Sluice in the first of the modes.
func (b *bench) sluice() (server.Kind, error) {
	for _, kind := range b.kinds {
		if kind.Mode != "" {
			return kind, nil
		}
	}
	return server.Kind{}, errors.New("-modes names none")
}
