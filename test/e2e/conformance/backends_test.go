//go:build e2e

package conformance_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// TestLoadIsBalanced over all pods of a Deployment, also after it has grown.
func TestLoadIsBalanced(t *testing.T) {
	s := newSite(t, "web")
	s.ingress("web", `rules: [{host: DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]`)
	s.wantFrom("web", "http://DOMAIN/")
	const pods, requests = 10, 200
	patch := fmt.Appendf(nil, `{"spec": {"replicas": %d}}`, pods)
	if _, err := suite.Client(t).AppsV1().Deployments(s.namespace).Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	suite.WaitRollout(t, s.namespace, "web", time.Minute)
	seen := map[string]bool{}
	suite.Within(t, soon, func() error {
		answer, err := s.Get(s.text("http://DOMAIN/"))
		if seen[answer.Pod] = true; err != nil || len(seen) < pods {
			return fmt.Errorf("%d of %d pods have answered: %w", len(seen), pods, err)
		}
		return nil
	})
	answers := map[string]int{}
	for range requests {
		answer, err := s.Get(s.text("http://DOMAIN/"))
		if err != nil || answer.Status != 200 {
			t.Fatalf("status %d, %v", answer.Status, err)
		}
		answers[answer.Pod]++
	}
	shares := slices.Sorted(maps.Values(answers))
	t.Logf("measured: shares of %d requests %v", requests, shares)
	if least, most := shares[0], shares[len(shares)-1]; len(shares) != pods || least < requests/pods/2 || most > requests/pods*2 {
		t.Errorf("the shares of %d pods are %v", pods, shares)
	}
}

// TestPortsOfServices are named by number or name, and lead to the pods' ports.
func TestPortsOfServices(t *testing.T) {
	s := newSite(t, "web")
	s.apply(`
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: web, port: 8080, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: two-ports}
spec:
  selector: {app: web}
  ports: [{name: closed, port: 80, targetPort: 9}, {name: open, port: 8000, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: web.` + s.namespace + `.svc.cluster.local}
`)
	tests := []struct {
		service, port string
		status        int
	}{
		{"web", "number: 80", 200}, {"web", "name: web", 200}, {"web", "number: 81", 503}, {"web", "name: other", 503},
		{"two-ports", "number: 8000", 200}, {"two-ports", "name: open", 200}, {"two-ports", "name: closed", 502},
		{"headless", "number: 8080", 200}, {"headless", "name: web", 200},
		{"elsewhere", "number: 80", 200}, {"missing", "number: 80", 503},
	}
	for i, test := range tests {
		s.ingress(fmt.Sprintf("port-%d", i), fmt.Sprintf(`
			rules: [{host: port-%d.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {%s}}}}]}}]`,
			i, test.service, test.port))
	}
	for i, test := range tests {
		t.Logf("port %s of Service %s gives %d", test.port, test.service, test.status)
		if target := fmt.Sprintf("http://port-%d.DOMAIN/", i); test.status == 200 {
			s.wantFrom("web", target)
		} else {
			s.wantStatus(test.status, target)
		}
	}
}

// TestTheDefaultBackend takes what no rule takes: of an Ingress without rules all hosts that nobody names, of one with rules
// what remains of its hosts.
func TestTheDefaultBackend(t *testing.T) {
	s := newSite(t, "all", "rest", "some")
	s.ingress("rules", `
		defaultBackend: {service: {name: rest, port: {number: 80}}},
		rules: [{host: DOMAIN, http: {paths: [{path: /some, pathType: Prefix, backend: {service: {name: some, port: {name: web}}}}]}}, {host: bare.DOMAIN}]`)
	s.wantFrom("some", "http://DOMAIN/some")
	s.wantFrom("rest", "http://DOMAIN/")
	s.wantFrom("rest", "http://DOMAIN/something")
	s.wantFrom("rest", "http://bare.DOMAIN/")
	s.wantStatus(404, "http://unknown.DOMAIN/")

	s.ingress("all", `defaultBackend: {service: {name: all, port: {number: 80}}}`)
	s.wantFrom("all", "http://unknown.DOMAIN/")
	s.wantFrom("all", "https://unknown.DOMAIN/any/path")
	s.wantFrom("all", "http://192.0.2.1/")
	s.wantFrom("rest", "http://DOMAIN/")

	s.deleteIngress("all")
	s.wantStatus(404, "http://unknown.DOMAIN/")
}

func (s site) deleteIngress(name string) {
	s.Helper()
	if err := suite.Client(s).NetworkingV1().Ingresses(s.namespace).Delete(s.Context(), name, metav1.DeleteOptions{}); err != nil {
		s.Fatal(err)
	}
}

// TestTLS has certificates by the name that the client asks for.
func TestTLS(t *testing.T) {
	s := newSite(t, "web")
	shop, wild := s.tlsSecret("shop", "shop.DOMAIN"), s.tlsSecret("wild", "*.wild.DOMAIN")
	s.ingress("tls", `
		tls: [{hosts: [shop.DOMAIN], secretName: shop}, {hosts: ["*.wild.DOMAIN"], secretName: wild}],
		rules: [
			{host: shop.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}},
			{host: "*.wild.DOMAIN", http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]`)
	s.ingress("clear", `rules: [{host: clear.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]`)
	for _, host := range []string{"shop.DOMAIN", "any.wild.DOMAIN"} {
		s.wantFrom("web", "https://"+host+"/")
		if got, want := s.wantStatus(308, "http://"+host+"/path").Header.Get("Location"), s.text("https://"+host+"/path"); got != want {
			t.Errorf("http://%s is redirected to %s, not %s", host, got, want)
		}
	}
	s.wantFrom("web", "http://clear.DOMAIN/")
	s.wantFrom("web", "https://clear.DOMAIN/")
	for _, test := range []struct {
		host  string
		right func(suite.Answer) bool
	}{
		{"shop.DOMAIN", func(a suite.Answer) bool { return isServed(a, shop) }},
		{"SHOP.DOMAIN", func(a suite.Answer) bool { return isServed(a, shop) }},
		{"any.wild.DOMAIN", func(a suite.Answer) bool { return isServed(a, wild) }},
		{"clear.DOMAIN", isDefaultCertificate},
		{"unknown.DOMAIN", isDefaultCertificate},
		{"192.0.2.1", isDefaultCertificate}, // a client sends no name for an address
	} {
		s.get("https://"+test.host+"/", func(a suite.Answer) error {
			if !test.right(a) {
				return fmt.Errorf("the certificate is that of %v", a.Chain[0].Subject)
			}
			return nil
		})
	}
	renewed := s.tlsSecret("shop", "shop.DOMAIN")
	s.get("https://shop.DOMAIN/", func(a suite.Answer) error {
		if !isServed(a, renewed) {
			return fmt.Errorf("the certificate is %v, not the renewed one", a.Chain[0].SerialNumber)
		}
		return nil
	})
}

// isDefaultCertificate knows the one that is made at the start, by ingress-nginx's name for it.
func isDefaultCertificate(a suite.Answer) bool {
	return strings.Contains(a.Chain[0].Subject.CommonName, "Fake Certificate")
}
