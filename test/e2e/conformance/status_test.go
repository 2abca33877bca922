//go:build e2e

package conformance_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// wantAddresses wants an Ingress's status to have these and no others.
func (s site) wantAddresses(ingress string, want ...string) {
	s.Helper()
	suite.Within(s, soon, func() error {
		found, err := suite.Client(s).NetworkingV1().Ingresses(s.namespace).Get(s.Context(), ingress, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if got := addresses(found); !slices.Equal(got, want) {
			return fmt.Errorf("the status of Ingress %s has the addresses %v, want %v", ingress, got, want)
		}
		return nil
	})
}

func addresses(ingress *networkingv1.Ingress) []string {
	var list []string
	for _, balancer := range ingress.Status.LoadBalancer.Ingress {
		list = append(list, balancer.IP+balancer.Hostname) // it has one of them
	}
	return list
}

// TestStatus has the addresses of the Service, also after they have changed, and again when an Ingress is made anew.
func TestStatus(t *testing.T) {
	s := newSite(t)
	const spec = `rules: [{host: DOMAIN}]`
	s.ingress("web", spec)
	made := time.Now()
	s.wantAddresses("web", s.Address)
	first := time.Since(made)

	const extra = "192.0.2.200"
	s.patchService(fmt.Sprintf(`{"spec": {"externalIPs": [%q]}}`, extra))
	t.Cleanup(func() { s.patchService(`{"spec": {"externalIPs": null}}`) })
	changed := time.Now()
	both := []string{s.Address, extra}
	slices.Sort(both)
	s.wantAddresses("web", both...)
	t.Logf("measured: new Ingress has a status after %v, a change of the Service is in it after %v", first.Round(time.Millisecond), time.Since(changed).Round(time.Millisecond))
	s.patchService(`{"spec": {"externalIPs": null}}`)
	s.wantAddresses("web", s.Address)

	s.deleteIngress("web")
	s.ingress("web", spec)
	s.wantAddresses("web", s.Address)
}

// patchService changes that of the controller.
func (s site) patchService(patch string) {
	s.Helper()
	_, err := suite.Client(s).CoreV1().Services(s.Namespace).Patch(context.WithoutCancel(s.Context()), s.Controller(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		s.Error(err)
	}
}

// TestFixedAddresses come from a flag instead of the Service.
func TestFixedAddresses(t *testing.T) {
	t.Parallel()
	values := valuesFor("fixed", `publishService: {enabled: false}, extraArgs: {publish-status-address: "192.0.2.7, edge.example.com"}`)
	s := newSite(t).at(suite.Install(t, "fixed", values))
	s.of("web", "", "ingressClassName: fixed,")
	s.wantAddresses("web", "192.0.2.7", "edge.example.com")
}
