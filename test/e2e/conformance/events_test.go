//go:build e2e

package conformance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// TestEvents tell on the object what is wrong with which field, once, and only by the leader of two replicas.
func TestEvents(t *testing.T) {
	t.Parallel()
	pair := suite.Install(t, "pair", valuesFor("pair", "replicaCount: 2"))
	s := newSite(t, "web").at(pair)
	s.apply(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: wrong
  annotations: {nginx.ingress.kubernetes.io/proxy-body-size: lots, nginx.ingress.kubernetes.io/proxy-body-sise: 8m}
spec:
  ingressClassName: pair
  tls: [{hosts: [DOMAIN], secretName: absent}]
  rules: [{host: DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: nobody, port: {number: 80}}}}]}}]
`)
	const annotation = "metadata.annotations[nginx.ingress.kubernetes.io/"
	want := map[string]string{ // the beginning of its message by reason
		"Sync":                   "Scheduled for sync",
		"InvalidAnnotationValue": annotation + "proxy-body-size]: ",
		"UnknownAnnotation":      annotation + "proxy-body-sise]: ",
		"MissingService":         "spec.rules[0].http.paths[0].backend.service.name: ",
		"MissingSecret":          "spec.tls[0].secretName: ",
	}
	leader := s.leader("pair-sluice-leader")
	suite.Within(t, soon, func() error { return s.compareEvents("wrong", leader, want) })

	// Plans of both replicas that are about others do not tell it again.
	s.of("right", "", "ingressClassName: pair,")
	s.wantFrom("web", "http://right.DOMAIN/")
	for _, pod := range s.Pods(t) {
		suite.Within(t, soon, func() error {
			if answer, err := suite.Get(pod.Status.PodIP, s.text("http://right.DOMAIN/")); err != nil || answer.Status != 200 {
				return fmt.Errorf("replica %s answers %d, %w", pod.Name, answer.Status, err)
			}
			return nil
		})
	}
	suite.Within(t, soon, func() error { return s.compareEvents("right", leader, map[string]string{"Sync": want["Sync"]}) })
	if err := s.compareEvents("wrong", leader, want); err != nil {
		t.Error(err)
	}
}

// leader is the pod of the release that holds a Lease.
func (s site) leader(lease string) string {
	s.Helper()
	var holder string
	suite.Within(s, time.Minute, func() error { // a former release may not have given it back
		found, err := suite.Client(s).CoordinationV1().Leases(s.Namespace).Get(s.Context(), lease, metav1.GetOptions{})
		if err != nil {
			return err
		}
		holder = ptr.Deref(found.Spec.HolderIdentity, "")
		if !slices.ContainsFunc(s.Pods(s), func(pod corev1.Pod) bool { return pod.Name == holder }) {
			return fmt.Errorf("%q leads, which is none of our pods", holder)
		}
		return nil
	})
	return holder
}

// compareEvents wants exactly one Event for each reason, of the leader, about the Ingress as it is.
func (s site) compareEvents(ingress, leader string, want map[string]string) error {
	object, err := suite.Client(s).NetworkingV1().Ingresses(s.namespace).Get(s.Context(), ingress, metav1.GetOptions{})
	if err != nil {
		return err
	}
	events := suite.Events(s, s.namespace, "Ingress", ingress)
	var lines []string
	right := len(events) == len(want)
	for _, e := range events {
		start, is := want[e.Reason]
		right = right && is && strings.HasPrefix(e.Message, start) && e.Count == 1 && e.ReportingInstance == leader &&
			e.InvolvedObject.UID == object.UID && e.InvolvedObject.APIVersion == "networking.k8s.io/v1" &&
			(e.Type == corev1.EventTypeNormal) == (e.Reason == "Sync")
		lines = append(lines, fmt.Sprintf("%s %s %dx by %s: %s", e.Type, e.Reason, e.Count, e.ReportingInstance, e.Message))
	}
	if !right {
		return fmt.Errorf("the Events of Ingress %s are\n%s\nwant by %s once each %v", ingress, strings.Join(lines, "\n"), leader, want)
	}
	return nil
}
