//go:build e2e

package install_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// TestRightsInOneNamespace are roles there, and wherever flags name something. Without rights in the whole cluster the
// controller learns that it may not read IngressClasses, and does without.
func TestRightsInOneNamespace(t *testing.T) {
	for _, test := range []struct {
		name    string
		only    bool // nothing in the whole cluster
		without []string
	}{
		{"shop", false, nil},
		{"shop-only", true, []string{"list ingressclasses"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			suite.Control(t)
			certificates, fallback, edge := suite.Namespace(t), suite.Namespace(t), suite.Namespace(t)
			s := site{TB: t, class: test.name, namespace: suite.Namespace(t)}
			suite.Apply(t, certificates, `{apiVersion: v1, kind: Secret, metadata: {name: wildcard}, data: {}}`)
			suite.Apply(t, fallback, `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: ExternalName, externalName: web.example, ports: [{port: 80}]}}`)
			suite.Apply(t, edge, `{apiVersion: v1, kind: Service, metadata: {name: balancer}, spec: {type: ExternalName, externalName: edge.example}}`)
			s.Sluice = suite.Install(t, s.class, s.text(fmt.Sprintf(`
rbac: {scope: %[1]t}
controller:
  watchIngressWithoutClass: %[1]t
  scope: {enabled: true, namespace: %[2]s}
  ingressClass: CLASS
  ingressClassResource: {name: CLASS, controllerValue: example.com/CLASS}
  publishService: {pathOverride: %[3]s/balancer}
  extraArgs: {default-ssl-certificate: %[4]s/wildcard, default-backend-service: %[5]s/web}
  extraEnvs: [{name: KUBE_FEATURE_WatchListClient, value: "false"}]
`, test.only, s.namespace, edge, certificates, fallback)))
			s.workElsewhere(certificates, fallback)
			s.wantOthersIgnored()
			s.work(1)
			s.wantExactRights(test.without...)
			s.Uninstall(t)
		})
	}
}

// workElsewhere makes the controller tell what is wrong with what flags name, twice each.
func (s site) workElsewhere(certificates, fallback string) {
	s.Helper()
	api := suite.Client(s).CoreV1()
	s.wantEventAgain("Secret", certificates, "wildcard", "InvalidCertificate", func(turn int) {
		patch := fmt.Sprintf(`{"data": {"tls.crt": "%s"}}`, []string{"", "bm9uZQ=="}[turn%2])
		if _, err := api.Secrets(certificates).Patch(s.Context(), "wildcard", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			s.Fatal(err)
		}
	})
	s.wantEventAgain("Service", fallback, "web", "InvalidExternalName", func(turn int) {
		patch := fmt.Sprintf(`{"spec": {"externalName": "%s"}}`, []string{"localhost", "web.example"}[turn%2])
		if _, err := api.Services(fallback).Patch(s.Context(), "web", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			s.Fatal(err)
		}
	})
	s.wantEventAgain("Pod", s.Namespace, s.Pods(s)[0].Name, "RELOAD", func(turn int) {
		s.apply(`{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}}`)
		s.apply(ingressFor(fmt.Sprintf("more-%d", turn)))
	})
}

// wantOthersIgnored wants an Ingress of another namespace to get no status, though one that is younger has one.
func (s site) wantOthersIgnored() {
	s.Helper()
	other := s
	other.namespace = suite.Namespace(s)
	other.apply(ingressFor("web"))
	s.apply(ingressFor("younger"))
	s.wantStatusOf("younger", 1)
	other.wantStatusOf("web", 0)
}
