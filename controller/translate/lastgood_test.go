package translate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/test/golden"
)

// manifests are objects that change from one plan to the next, beside those of a case.
type manifests struct {
	c    golden.Case
	good cluster.Fallback
}

// next plans with the given objects in place of those given before.
func (m *manifests) next(t *testing.T, yaml string) controller.Plan {
	t.Helper()
	objects, notes := cluster.Decode("ingress.yaml", []byte(yaml))
	if len(notes) > 0 {
		t.Fatal(notes)
	}
	s := cluster.FromObjects(m.c.Objects.Merge(objects))
	s.Now, s.Fallback = golden.Now, m.good
	plan, err := m.c.Options.Plan(s)
	if err != nil {
		t.Fatal(err)
	}
	m.good = plan.Good
	return plan
}

func reasons(plan controller.Plan) string {
	var list []string
	for _, p := range plan.Problems {
		list = append(list, fmt.Sprintf("%s %s", p.Object, p.Reason))
	}
	return strings.Join(list, ", ")
}

func ingress(annotation, service string) string {
	return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {` + annotation + `}}
spec: {rules: [{host: web.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ` + service + `, port: {number: 80}}}}]}}]}
`
}

func TestRefusedIngressKeepsItsLastGoodVersion(t *testing.T) {
	const refused = `nginx.ingress.kubernetes.io/temporal-redirect: "https://x.example.com/$bad;{}"`
	m := manifests{c: golden.Load(t, "testdata/prefix.txtar")}
	steps := []struct {
		annotation, service string
		upstream            string // that serves /
		reasons             string
	}{
		{refused, "echo", "", "Ingress shop/web InvalidAnnotationValue"},
		{"", "echo", "shop_echo_80", ""},
		{refused, "echo", "shop_echo_80", "Ingress shop/web InvalidAnnotationValue"},
		{refused, "echo-c", "shop_echo_80", "Ingress shop/web InvalidAnnotationValue"},
		{"", "echo-c", "shop_echo-c_80", ""},
	}
	for n, step := range steps {
		plan := m.next(t, ingress(step.annotation, step.service))
		if got := reasons(plan); got != step.reasons {
			t.Errorf("step %d: Problems are %s, want %s", n, got, step.reasons)
		}
		upstream := ""
		for _, s := range plan.Config.Servers {
			if s.Name == "web.example.com" {
				upstream = s.Locations[0].Upstream
			}
		}
		if upstream != step.upstream {
			t.Errorf("step %d: / is served by %q, want %q", n, upstream, step.upstream)
		}
	}
	// One that is deleted while it is refused is gone.
	m.next(t, ingress(refused, "echo"))
	if plan := m.next(t, ""); plan.Good.Ingresses.Len() > 0 || strings.Contains(conf(plan), "web.example.com") {
		t.Error("an Ingress that was deleted is still served")
	}
}

// secretOf is the Secret shop/shop-tls of a case.
func secretOf(t *testing.T, path string) string {
	t.Helper()
	for _, f := range golden.Load(t, path).Archive.Files {
		if f.Name == "objects.yaml" {
			return string(f.Data)
		}
	}
	t.Fatalf("%s has no objects.yaml", path)
	return ""
}

// tlsManifests are an Ingress for shop.example.com with the tls item given, and the Secret shop/shop-tls: a good
// one and one whose key is not readable.
func tlsManifests(t *testing.T, item string) (m manifests, good, bad string) {
	t.Helper()
	good = secretOf(t, "testdata/tls.txtar")
	certificate, key, found := strings.Cut(good, "  tls.key: |")
	if !found {
		t.Fatal("testdata/tls.txtar has no pair")
	}
	bad = certificate + "  tls.key: |" + strings.ReplaceAll(key, "M", "N")
	web := `
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  tls: [` + item + `]
  rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}}]
---
`
	return manifests{c: golden.Load(t, "testdata/prefix.txtar")}, web + good, web + bad
}

func TestBadSecretKeepsItsLastGoodPair(t *testing.T) {
	for _, item := range []string{"{secretName: shop-tls, hosts: [shop.example.com]}", "{secretName: shop-tls}"} {
		m, good, bad := tlsManifests(t, item)
		if plan := m.next(t, bad); plan.Dynamic.Hosts.Len() > 0 || !strings.Contains(reasons(plan), "InvalidCertificate") {
			t.Errorf("%s: bad from the start: %v, %s", item, plan.Dynamic.Hosts, reasons(plan))
		}
		want := m.next(t, good)
		id := want.Dynamic.Hosts.At("shop.example.com")
		if id == "" || reasons(want) != "" {
			t.Fatalf("%s: good: %v, %s", item, want.Dynamic.Hosts, reasons(want))
		}
		for range 2 {
			plan := m.next(t, bad)
			if plan.Dynamic.Hosts.At("shop.example.com") != id || plan.Dynamic.Certificates.At(id) != want.Dynamic.Certificates.At(id) {
				t.Errorf("%s: the last good pair is gone", item)
			}
			if got := reasons(plan); got != "Ingress shop/shop InvalidCertificate" {
				t.Errorf("%s: Problems are %s", item, got)
			}
			if conf(plan) != conf(want) {
				t.Errorf("%s: a bad Secret changes nginx.conf", item)
			}
		}
		// A Secret that is deleted is meant to be.
		without, _, _ := strings.Cut(good, "---\napiVersion: v1")
		if plan := m.next(t, without); plan.Dynamic.Hosts.Len() > 0 || plan.Good.Secrets.Len() > 0 {
			t.Errorf("%s: a Secret that was deleted is still served", item)
		}
	}
}

// A certificate that is renewed, appears or disappears is data.
func TestCertificatesChangeNoConfiguration(t *testing.T) {
	m, good, _ := tlsManifests(t, "{secretName: shop-tls, hosts: [shop.example.com]}")
	ingress, secret, _ := strings.Cut(good, "---\napiVersion: v1\nkind: Secret")
	if secret == "" {
		t.Fatal("the Secret does not come last")
	}
	renewed := ingress + "---\n" + secretOf(t, "testdata/tls-common-name.txtar")
	first := m.next(t, good)
	seen := map[string]bool{}
	for _, yaml := range []string{good, renewed, ingress} {
		plan := m.next(t, yaml)
		if plan.Files.Generation != first.Files.Generation {
			t.Error("there is another configuration")
		}
		seen[plan.Dynamic.Hosts.At("shop.example.com")] = true
	}
	if len(seen) != 3 || !seen[""] {
		t.Errorf("certificates were %v, want two and none", seen)
	}
}

// Whatever the size of what a user writes, it takes little time and its Problems stay short.
func TestHugeValuesCostOnlyTheirOwner(t *testing.T) {
	huge := strings.Repeat("a$1(", 1<<19)
	fine := strings.Replace(ingress("", "echo-b"), "name: web,", "name: fine,", 1)
	for name, yaml := range map[string]string{
		"value":          ingress("nginx.ingress.kubernetes.io/rewrite-target: '/"+huge+"'", "echo"),
		"refused value":  ingress("nginx.ingress.kubernetes.io/temporal-redirect: '"+huge+"'", "echo"),
		"guard":          ingress("nginx.ingress.kubernetes.io/whitelist-source-range: '"+huge+"'", "echo"),
		"long list":      ingress("nginx.ingress.kubernetes.io/whitelist-source-range: '"+strings.Repeat("10.0.0.0/8,", 1<<17)+"10.0.0.0/8'", "echo"),
		"unknown":        ingress("nginx.ingress.kubernetes.io/no-such-thing: '"+huge+"'", "echo"),
		"key":            ingress("? \"nginx.ingress.kubernetes.io/\\n"+huge+"\" : x", "echo"),
		"path":           strings.Replace(ingress("", "echo"), "path: /,", "path: '/"+huge+"',", 1),
		"path, as regex": strings.Replace(ingress("nginx.ingress.kubernetes.io/use-regex: 'true'", "echo"), "path: /,", "path: '/"+huge[:4000]+"',", 1),
		"host":           strings.Replace(ingress("", "echo"), "host: web.example.com", "host: '"+huge+"'", 1),
	} {
		t.Run(name, func(t *testing.T) {
			m := manifests{c: golden.Load(t, "testdata/prefix.txtar")}
			started := time.Now()
			plan := m.next(t, strings.ReplaceAll(fine, "web.example.com", "fine.example.com")+"---\n"+yaml)
			if took := time.Since(started); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if len(conf(plan)) > 1<<20 || !strings.Contains(conf(plan), "fine.example.com") {
				t.Errorf("nginx.conf has %d bytes, or lacks the other Ingress", len(conf(plan)))
			}
			if len(plan.Problems) == 0 && name != "long list" {
				t.Error("there are no Problems")
			}
			for _, p := range plan.Problems {
				if text := p.Field + p.Message; len(text) > 1000 || strings.ContainsAny(text, "\n\x00") {
					t.Errorf("a Problem has %d bytes: %.300q %.300q", len(text), p.Field, p.Message)
				}
			}
		})
	}
}
