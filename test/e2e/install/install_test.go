//go:build e2e

// Package install_test shows that Sluice's chart, and a manifest that was written for ingress-nginx, give a controller that
// works, with no more rights than it uses, and leave nothing behind.
package install_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestMain(m *testing.M) { suite.Main(m, suite.SluiceImage()) }

// soon is how long the cluster may take on a busy machine.
const soon = 45 * time.Second

// site is what one test sees: a release, a namespace, and host names that no other test has.
type site struct {
	testing.TB
	*suite.Sluice
	class     string // of the release's Ingresses
	namespace string
}

// apply makes objects; CLASS and DOMAIN stand for what is this test's own.
func (s site) apply(documents string) {
	s.Helper()
	suite.Apply(s, s.namespace, s.text(documents))
}

func (s site) text(with string) string {
	return strings.NewReplacer("DOMAIN", s.namespace+".example", "CLASS", s.class).Replace(with)
}

// ingressFor is an Ingress with a host of its name, for a Service without pods.
func ingressFor(name string) string {
	return fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s}
spec:
  ingressClassName: CLASS
  rules: [{host: %[1]s.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
`, name)
}

// wantServed wants the controller at an address to know a host. No pod is behind it, so the answer is 503.
func (s site) wantServed(address, host string) {
	s.Helper()
	target := s.text("http://" + host + "/")
	suite.Within(s, soon, func() error {
		answer, err := suite.Get(address, target)
		if err != nil || answer.Status != 503 {
			return fmt.Errorf("GET %s: status %d, want 503; %w", target, answer.Status, err)
		}
		return nil
	})
}

func (s site) ingress(name string) *networkingv1.Ingress {
	s.Helper()
	found, err := suite.Client(s).NetworkingV1().Ingresses(s.namespace).Get(s.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	return found
}

func (s site) patchIngress(name, patch string) {
	s.Helper()
	_, err := suite.Client(s).NetworkingV1().Ingresses(s.namespace).Patch(s.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

// wantAddresses wants the status of Ingress web to have these and no others.
func (s site) wantAddresses(want ...string) {
	s.Helper()
	suite.Within(s, soon, func() error {
		var got []string
		for _, balancer := range s.ingress("web").Status.LoadBalancer.Ingress {
			got = append(got, balancer.IP+balancer.Hostname)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the status has the addresses %v, want %v", got, want)
		}
		return nil
	})
}

// scale sets how many pods the Deployment has, and waits until there are no others.
func (s site) scale(replicas int) {
	s.Helper()
	deployments := suite.Client(s).AppsV1().Deployments(s.Namespace)
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: s.Controller(), Namespace: s.Namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: int32(replicas)}}
	if _, err := deployments.UpdateScale(s.Context(), s.Controller(), scale, metav1.UpdateOptions{}); err != nil {
		s.Fatal(err)
	}
	suite.Within(s, time.Minute, func() error {
		list, err := suite.Client(s).CoreV1().Pods(s.Namespace).List(s.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + s.Release})
		if err == nil && len(list.Items) != replicas {
			err = fmt.Errorf("there are %d pods, want %d", len(list.Items), replicas)
		}
		return err
	})
}
