//go:build e2e

// Package conformance_test shows that Sluice, installed by its chart, does what networking.k8s.io/v1 says of Ingress and
// IngressClass, and what else a cluster expects of an ingress controller: status, Events, cert-manager's challenges,
// neighbours, and new settings.
//
// The rules are those of the API's documentation in k8s.io/api and of https://kubernetes.io/docs/concepts/services-networking/ingress/.
package conformance_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestMain(m *testing.M) { suite.Main(m, suite.SluiceImage()) }

// soon is how long the cluster may take on a busy machine.
const soon = 30 * time.Second

// site is what one test sees: Sluice as all tests here share it, a namespace, and host names that no other test has.
type site struct {
	testing.TB
	*suite.Sluice
	namespace string
}

// newSite starts the backends: Deployments with one pod, and Services of the same names with port 80, called web.
func newSite(t testing.TB, backends ...string) site {
	t.Helper()
	s := site{TB: t, Sluice: suite.Install(t, "sluice", ""), namespace: suite.Namespace(t)}
	for _, name := range backends {
		suite.Apply(t, s.namespace, strings.ReplaceAll(backend, "NAME", name))
	}
	for _, name := range backends {
		suite.WaitRollout(t, s.namespace, name, time.Minute)
	}
	return s
}

// valuesFor are those of a release with a class of its own, whose name is the release's, and with more for the controller.
func valuesFor(class, more string) string {
	return fmt.Sprintf(`{controller: {ingressClass: %[1]s, ingressClassResource: {name: %[1]s, controllerValue: example.com/%[1]s}, %[2]s}}`, class, more)
}

// at is the same at another release.
func (s site) at(other *suite.Sluice) site {
	s.Sluice = other
	return s
}

const backend = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: echo
        image: example/echo
        ports: [{name: http, containerPort: 8080}]
        env:
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        readinessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: NAME}
spec: {selector: {app: NAME}, ports: [{name: web, port: 80, targetPort: http}]}
`

// domain is part of the hosts of this test only. It stands for DOMAIN in what is applied and asked for.
func (s site) domain() string { return s.namespace + ".example" }

func (s site) text(with string) string { return strings.ReplaceAll(with, "DOMAIN", s.domain()) }

func (s site) apply(documents string) {
	s.Helper()
	suite.Apply(s, s.namespace, s.text(documents))
}

// ingress makes one of class nginx with the rest of its spec.
func (s site) ingress(name, spec string) {
	s.Helper()
	s.apply(fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %s}
spec: {ingressClassName: nginx, %s}
`, name, spec))
}

// get asks for a URL until the answer is as it should be, and returns that.
func (s site) get(target string, want func(suite.Answer) error) suite.Answer {
	s.Helper()
	target = s.text(target)
	var answer suite.Answer
	suite.Within(s, soon, func() (err error) {
		if answer, err = s.Get(target); err == nil {
			err = want(answer)
		}
		if err != nil {
			return fmt.Errorf("GET %s: %w", target, err)
		}
		return nil
	})
	return answer
}

// wantFrom wants an answer of a backend.
func (s site) wantFrom(backend, target string) {
	s.Helper()
	s.get(target, func(a suite.Answer) error {
		if a.Status != 200 || !strings.HasPrefix(a.Pod, backend+"-") {
			return fmt.Errorf("status %d of pod %q, want one of %s", a.Status, a.Pod, backend)
		}
		return nil
	})
}

// wantStatus wants an answer that is no backend's.
func (s site) wantStatus(status int, target string) suite.Answer {
	s.Helper()
	return s.get(target, func(a suite.Answer) error {
		if a.Status != status || a.Pod != "" {
			return fmt.Errorf("status %d of pod %q, want %d of none", a.Status, a.Pod, status)
		}
		return nil
	})
}

// tlsSecret makes a Secret, or renews it, and returns its new certificate.
func (s site) tlsSecret(name string, hosts ...string) *x509.Certificate {
	s.Helper()
	for i, host := range hosts {
		hosts[i] = s.text(host)
	}
	secret, certificate := suite.TLSSecret(s, name, hosts...)
	secret.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	document, err := yaml.Marshal(secret)
	if err != nil {
		s.Fatal(err)
	}
	s.apply(string(document))
	return certificate
}

// isServed tells whether an answer came with a certificate.
func isServed(a suite.Answer, certificate *x509.Certificate) bool {
	return len(a.Chain) > 0 && bytes.Equal(a.Chain[0].Raw, certificate.Raw)
}
